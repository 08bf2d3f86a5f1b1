-- Where cost, capacity and stock belong: cost centers, work centers, storage locations and the warehouse bins
-- they stand for. Plants, lines and machines are master data; warehouses and bins are the WMS's.

CREATE TABLE cost_centers (
    cost_center_id        VARCHAR(50) PRIMARY KEY,
    cost_center_code      VARCHAR(50) NOT NULL UNIQUE,
    cost_center_name      VARCHAR(200) NOT NULL,
    controlling_area      VARCHAR(10),
    cost_center_group     VARCHAR(50),
    parent_cost_center_id VARCHAR(50),
    company_code          VARCHAR(10),
    business_area         VARCHAR(10),
    plant_id              VARCHAR(50),
    responsible_person    VARCHAR(50),
    cost_center_category  VARCHAR(50),
    is_active             BOOLEAN DEFAULT true,
    valid_from            DATE,
    valid_to              DATE,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE cost_centers IS 'Controlling cost collectors of plants and companies, used by logistics documents; same keys as genims_financial_db.cost_centers';
COMMENT ON COLUMN cost_centers.cost_center_id IS 'CC-0001 ...; same key as genims_financial_db.cost_centers';
COMMENT ON COLUMN cost_centers.cost_center_code IS 'Same code as in genims_financial_db.cost_centers';
COMMENT ON COLUMN cost_centers.controlling_area IS 'Controlling area code, one for the group: GEN1';
COMMENT ON COLUMN cost_centers.cost_center_group IS 'production, maintenance, quality, logistics, administration, sales, research, utilities';
COMMENT ON COLUMN cost_centers.parent_cost_center_id IS 'NULL: top of the hierarchy';
COMMENT ON COLUMN cost_centers.company_code IS 'Legal entity';
COMMENT ON COLUMN cost_centers.business_area IS 'Reporting segment code';
COMMENT ON COLUMN cost_centers.plant_id IS 'NULL: cost center of the company, not of one plant';
COMMENT ON COLUMN cost_centers.responsible_person IS 'Employee who answers for the budget';
COMMENT ON COLUMN cost_centers.cost_center_category IS 'direct, indirect, overhead, service';
COMMENT ON COLUMN cost_centers.valid_to IS 'NULL: open end';

CREATE TABLE work_centers (
    work_center_id         VARCHAR(50) PRIMARY KEY,
    work_center_code       VARCHAR(50) NOT NULL UNIQUE,
    work_center_name       VARCHAR(200) NOT NULL,
    plant_id               VARCHAR(50),
    cost_center_id         VARCHAR(50),
    work_center_category   VARCHAR(50),
    capacity_category      VARCHAR(50),
    available_capacity     DECIMAL(10,2),
    utilization_percentage DECIMAL(5,2),
    hourly_rate            DECIMAL(10,2),
    currency               VARCHAR(3) DEFAULT 'INR',
    queue_time_days        DECIMAL(5,2) DEFAULT 0,
    setup_time_minutes     DECIMAL(10,2) DEFAULT 0,
    line_id                VARCHAR(50),
    machine_id             VARCHAR(50),
    is_active              BOOLEAN DEFAULT true,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE work_centers IS 'Capacity units mapped to lines or machines, with rate and available hours';
COMMENT ON COLUMN work_centers.work_center_code IS 'Short name on operations and capacity lists';
COMMENT ON COLUMN work_centers.work_center_category IS 'machine, machine_group, labor, assembly, inspection, external';
COMMENT ON COLUMN work_centers.capacity_category IS 'machine, labor';
COMMENT ON COLUMN work_centers.available_capacity IS 'Hours per working day, shifts and breaks considered';
COMMENT ON COLUMN work_centers.utilization_percentage IS 'Share of the available hours that planning may load';
COMMENT ON COLUMN work_centers.hourly_rate IS 'Planned cost of one hour of machine and labor, in currency';
COMMENT ON COLUMN work_centers.queue_time_days IS 'Usual wait in front of the work center, working days';
COMMENT ON COLUMN work_centers.setup_time_minutes IS 'Default setup when the operation names none';
COMMENT ON COLUMN work_centers.line_id IS 'NULL: not tied to one line';
COMMENT ON COLUMN work_centers.machine_id IS 'NULL: the whole line or a labor group';

CREATE TABLE inventory_locations (
    inventory_location_id   VARCHAR(50) PRIMARY KEY,
    plant_id                VARCHAR(50) NOT NULL,
    location_code           VARCHAR(50) NOT NULL,
    location_name           VARCHAR(200) NOT NULL,
    location_type           VARCHAR(30) NOT NULL,
    parent_location_id      VARCHAR(50),
    warehouse_id            VARCHAR(50),
    line_id                 VARCHAR(50),
    cost_center_id          VARCHAR(50),
    responsible_employee_id VARCHAR(50),
    stock_owner             VARCHAR(30) NOT NULL DEFAULT 'own',
    mrp_relevant            BOOLEAN NOT NULL DEFAULT true,
    allow_negative_stock    BOOLEAN NOT NULL DEFAULT false,
    lot_managed             BOOLEAN NOT NULL DEFAULT true,
    temperature_controlled  BOOLEAN NOT NULL DEFAULT false,
    capacity_pallets        INTEGER,
    last_count_date         DATE,
    status                  VARCHAR(30) NOT NULL DEFAULT 'active',
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (plant_id, location_code),
    CHECK (location_type IN ('raw_material', 'work_in_progress', 'finished_goods', 'spare_parts', 'quality_hold', 'blocked', 'transit', 'consignment', 'scrap')),
    CHECK (stock_owner IN ('own', 'supplier', 'customer')),
    CHECK (status IN ('active', 'blocked', 'closed')),
    CHECK (capacity_pallets >= 0),
    CHECK (parent_location_id <> inventory_location_id)
);
COMMENT ON TABLE inventory_locations IS 'Storage locations known to the ERP within each plant; the storage_location codes of stock documents';
COMMENT ON COLUMN inventory_locations.inventory_location_id IS 'ILO-0001 ...';
COMMENT ON COLUMN inventory_locations.location_code IS 'Unique in the plant; the storage_location columns of balances, receipts and movements hold it: RM01, WIP1, FG01, QH01';
COMMENT ON COLUMN inventory_locations.location_type IS 'raw_material, work_in_progress, finished_goods, spare_parts, quality_hold, blocked, transit, consignment, scrap';
COMMENT ON COLUMN inventory_locations.parent_location_id IS 'Location this one is a part of; NULL: top';
COMMENT ON COLUMN inventory_locations.warehouse_id IS 'Warehouse that keeps the stock; NULL: kept without WMS (line side, transit)';
COMMENT ON COLUMN inventory_locations.line_id IS 'Line that a line-side location serves; NULL otherwise';
COMMENT ON COLUMN inventory_locations.cost_center_id IS 'Bears scrap and count differences';
COMMENT ON COLUMN inventory_locations.stock_owner IS 'own, supplier (consignment), customer (material provided)';
COMMENT ON COLUMN inventory_locations.mrp_relevant IS 'Stock counts as available in planning runs';
COMMENT ON COLUMN inventory_locations.lot_managed IS 'Movements must name a batch';
COMMENT ON COLUMN inventory_locations.capacity_pallets IS 'Pallet places; NULL: not limited';
COMMENT ON COLUMN inventory_locations.last_count_date IS 'Last complete physical count';
COMMENT ON COLUMN inventory_locations.status IS 'active, blocked (no movements), closed';

CREATE TABLE bin_location_mappings (
    bin_mapping_id        VARCHAR(50) PRIMARY KEY,
    inventory_location_id VARCHAR(50) NOT NULL,
    warehouse_id          VARCHAR(50) NOT NULL,
    zone_id               VARCHAR(50),
    bin_id                VARCHAR(50) NOT NULL,
    bin_code              VARCHAR(50) NOT NULL,
    material_id           VARCHAR(50),
    mapping_purpose       VARCHAR(30) NOT NULL DEFAULT 'storage',
    is_default            BOOLEAN NOT NULL DEFAULT false,
    priority              INTEGER NOT NULL DEFAULT 5,
    maximum_quantity      DECIMAL(15,4),
    unit_of_measure       VARCHAR(20),
    sync_direction        VARCHAR(30) NOT NULL DEFAULT 'both',
    valid_from            DATE NOT NULL,
    valid_to              DATE,
    last_verified_at      TIMESTAMP,
    verified_by           VARCHAR(50),
    status                VARCHAR(30) NOT NULL DEFAULT 'active',
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (inventory_location_id, bin_id, valid_from),
    CHECK (mapping_purpose IN ('storage', 'receiving', 'picking', 'staging', 'shipping', 'quarantine')),
    CHECK (sync_direction IN ('erp_to_wms', 'wms_to_erp', 'both')),
    CHECK (status IN ('active', 'inactive')),
    CHECK (priority BETWEEN 1 AND 9),
    CHECK (maximum_quantity > 0),
    CHECK (maximum_quantity IS NULL OR unit_of_measure IS NOT NULL),
    CHECK (valid_to >= valid_from)
);
CREATE INDEX bin_location_mappings_bin_id_idx ON bin_location_mappings (bin_id);
COMMENT ON TABLE bin_location_mappings IS 'ERP location to warehouse bin pairs, with the purpose the bin serves';
COMMENT ON COLUMN bin_location_mappings.warehouse_id IS 'Warehouse of the bin';
COMMENT ON COLUMN bin_location_mappings.zone_id IS 'Zone of the bin';
COMMENT ON COLUMN bin_location_mappings.bin_code IS 'Code of the bin when it was mapped, as in bin_location of the sync tables';
COMMENT ON COLUMN bin_location_mappings.material_id IS 'Only this material uses the pair; NULL: any';
COMMENT ON COLUMN bin_location_mappings.mapping_purpose IS 'storage, receiving, picking, staging, shipping, quarantine';
COMMENT ON COLUMN bin_location_mappings.is_default IS 'Bin taken when an ERP document names only the location';
COMMENT ON COLUMN bin_location_mappings.priority IS '1 is tried first, 9 last';
COMMENT ON COLUMN bin_location_mappings.maximum_quantity IS 'Most that the ERP sends to the bin, in unit_of_measure; NULL: the bin''s own limits';
COMMENT ON COLUMN bin_location_mappings.sync_direction IS 'erp_to_wms, wms_to_erp, both';
COMMENT ON COLUMN bin_location_mappings.valid_to IS 'NULL: open end';
COMMENT ON COLUMN bin_location_mappings.last_verified_at IS 'Last time somebody saw that bin and location agree';
COMMENT ON COLUMN bin_location_mappings.status IS 'active, inactive';
