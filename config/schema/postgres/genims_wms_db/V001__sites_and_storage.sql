-- Warehouses and how they are divided: zones, aisles, bins, and the rules that choose a bin for a material.
-- warehouses is the module's view of the golden record of the same key in genims_master_db.

CREATE TABLE warehouses (
    warehouse_id             VARCHAR(50) PRIMARY KEY,
    warehouse_code           VARCHAR(50) NOT NULL UNIQUE,
    warehouse_name           VARCHAR(200) NOT NULL,
    plant_id                 VARCHAR(50),
    address_line1            VARCHAR(200),
    city                     VARCHAR(100),
    state                    VARCHAR(100),
    country                  VARCHAR(50),
    postal_code              VARCHAR(20),
    warehouse_type           VARCHAR(50),
    total_area_sqm           DECIMAL(12,2),
    storage_capacity_pallets INTEGER,
    dock_doors               INTEGER,
    operates_24x7            BOOLEAN DEFAULT false,
    operating_hours          VARCHAR(100),
    temperature_controlled   BOOLEAN DEFAULT false,
    min_temperature_celsius  DECIMAL(5,2),
    max_temperature_celsius  DECIMAL(5,2),
    is_active                BOOLEAN DEFAULT true,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE warehouses IS 'Warehouse operating profile: docks, capacity, opening hours and climate';
COMMENT ON COLUMN warehouses.warehouse_id IS 'WH-01 ...; same key as genims_master_db.warehouses';
COMMENT ON COLUMN warehouses.plant_id IS 'Plant that the warehouse belongs to; NULL: a distribution centre away from any plant';
COMMENT ON COLUMN warehouses.warehouse_type IS 'raw_material, work_in_progress, finished_goods, spare_parts, distribution_center';
COMMENT ON COLUMN warehouses.total_area_sqm IS 'Floor area, square metres';
COMMENT ON COLUMN warehouses.storage_capacity_pallets IS 'Pallet places, all zones together';
COMMENT ON COLUMN warehouses.dock_doors IS 'Number of docks; they are named DOCK-01 ... in the tasks';
COMMENT ON COLUMN warehouses.operating_hours IS 'Local time, e.g. 06:00-22:00; 24x7 when operates_24x7';
COMMENT ON COLUMN warehouses.min_temperature_celsius IS 'Lower end of the climate band; NULL: not temperature controlled';
COMMENT ON COLUMN warehouses.max_temperature_celsius IS 'Upper end of the climate band; NULL: not temperature controlled';

CREATE TABLE warehouse_zones (
    zone_id           VARCHAR(50) PRIMARY KEY,
    warehouse_id      VARCHAR(50) NOT NULL,
    zone_code         VARCHAR(50) NOT NULL,
    zone_name         VARCHAR(200) NOT NULL,
    zone_type         VARCHAR(50),
    area_sqm          DECIMAL(10,2),
    capacity_pallets  INTEGER,
    temperature_zone  VARCHAR(30),
    restricted_access BOOLEAN DEFAULT false,
    is_active         BOOLEAN DEFAULT true,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX warehouse_zones_warehouse_id_zone_code_idx ON warehouse_zones (warehouse_id, zone_code);
COMMENT ON TABLE warehouse_zones IS 'Functional areas inside a warehouse: receiving, storage, picking, staging ...';
COMMENT ON COLUMN warehouse_zones.zone_code IS 'Short name, unique in the warehouse: RCV, STG, BLK ...';
COMMENT ON COLUMN warehouse_zones.zone_type IS 'receiving, quality_hold, bulk_storage, rack_storage, picking, packing, staging, shipping, returns, hazmat';
COMMENT ON COLUMN warehouse_zones.area_sqm IS 'Square metres; the zones of a warehouse add up to at most its total_area_sqm';
COMMENT ON COLUMN warehouse_zones.capacity_pallets IS 'Pallet places; the zones of a warehouse add up to at most its storage_capacity_pallets';
COMMENT ON COLUMN warehouse_zones.temperature_zone IS 'ambient, chilled, frozen, climate_controlled';

CREATE TABLE warehouse_aisles (
    aisle_id       VARCHAR(50) PRIMARY KEY,
    zone_id        VARCHAR(50) NOT NULL,
    aisle_code     VARCHAR(50) NOT NULL,
    aisle_length_m DECIMAL(8,2),
    aisle_width_m  DECIMAL(8,2),
    single_deep    BOOLEAN DEFAULT true,
    double_deep    BOOLEAN DEFAULT false,
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE warehouse_aisles IS 'Aisles of a zone and their geometry';
COMMENT ON COLUMN warehouse_aisles.aisle_code IS 'Unique in the zone: A01 ...';
COMMENT ON COLUMN warehouse_aisles.aisle_length_m IS 'Metres';
COMMENT ON COLUMN warehouse_aisles.aisle_width_m IS 'Metres; decides which truck can work in it';
COMMENT ON COLUMN warehouse_aisles.single_deep IS 'Racks are one pallet deep; exactly one of single_deep and double_deep is true';
COMMENT ON COLUMN warehouse_aisles.double_deep IS 'Racks are two pallets deep';

CREATE TABLE storage_bins (
    bin_id                 VARCHAR(50) PRIMARY KEY,
    warehouse_id           VARCHAR(50) NOT NULL,
    zone_id                VARCHAR(50),
    aisle_id               VARCHAR(50),
    bin_code               VARCHAR(50) NOT NULL UNIQUE,
    level                  INTEGER,
    position               INTEGER,
    full_location          VARCHAR(100),
    bin_type               VARCHAR(50),
    length_cm              DECIMAL(8,2),
    width_cm               DECIMAL(8,2),
    height_cm              DECIMAL(8,2),
    weight_capacity_kg     DECIMAL(10,2),
    dedicated_material_id  VARCHAR(50),
    mixed_storage          BOOLEAN DEFAULT true,
    velocity_class         VARCHAR(1),
    hazmat_approved        BOOLEAN DEFAULT false,
    temperature_controlled BOOLEAN DEFAULT false,
    bin_status             VARCHAR(30) DEFAULT 'available',
    current_occupancy_pct  DECIMAL(5,2) DEFAULT 0,
    last_putaway_date      TIMESTAMP,
    last_pick_date         TIMESTAMP,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX storage_bins_warehouse_id_bin_status_idx ON storage_bins (warehouse_id, bin_status);
COMMENT ON TABLE storage_bins IS 'Addressable storage places with size limits and current state';
COMMENT ON COLUMN storage_bins.bin_code IS 'Printed on the rack, unique across all warehouses: WH01-A01-03-02';
COMMENT ON COLUMN storage_bins.level IS 'Height level in the rack, 1 is the floor';
COMMENT ON COLUMN storage_bins.position IS 'Place along the aisle, from 1';
COMMENT ON COLUMN storage_bins.full_location IS 'Warehouse / zone / aisle / level / position, readable';
COMMENT ON COLUMN storage_bins.bin_type IS 'pallet_rack, shelf, floor, bulk, flow_rack, cold, hazmat, staging';
COMMENT ON COLUMN storage_bins.weight_capacity_kg IS 'Most that may lie in it, kg';
COMMENT ON COLUMN storage_bins.dedicated_material_id IS 'The only material allowed in it; NULL: any';
COMMENT ON COLUMN storage_bins.mixed_storage IS 'More than one material may share it';
COMMENT ON COLUMN storage_bins.velocity_class IS 'A fast, B medium, C slow moving';
COMMENT ON COLUMN storage_bins.bin_status IS 'available, occupied, full, reserved, blocked, maintenance';
COMMENT ON COLUMN storage_bins.current_occupancy_pct IS 'Used share of the bin, 0 to 100; 0 when available';

CREATE TABLE slotting_rules (
    rule_id        VARCHAR(50) PRIMARY KEY,
    rule_name      VARCHAR(200) NOT NULL,
    warehouse_id   VARCHAR(50) NOT NULL,
    material_type  VARCHAR(50),
    velocity_class VARCHAR(1),
    product_family VARCHAR(50),
    zone_type      VARCHAR(50),
    zone_id        VARCHAR(50),
    strategy_type  VARCHAR(50),
    priority       INTEGER DEFAULT 5,
    is_active      BOOLEAN DEFAULT true,
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX slotting_rules_warehouse_id_priority_idx ON slotting_rules (warehouse_id, priority) WHERE is_active;
COMMENT ON TABLE slotting_rules IS 'Rules that choose a bin for a material at putaway; the lowest priority number that fits wins';
COMMENT ON COLUMN slotting_rules.material_type IS 'Fits materials of this type; NULL: any';
COMMENT ON COLUMN slotting_rules.velocity_class IS 'Fits materials of this class A, B, C; NULL: any';
COMMENT ON COLUMN slotting_rules.product_family IS 'Fits materials of this family; NULL: any';
COMMENT ON COLUMN slotting_rules.zone_type IS 'Zones it points to, as warehouse_zones.zone_type';
COMMENT ON COLUMN slotting_rules.zone_id IS 'The one zone it points to; NULL: any of zone_type';
COMMENT ON COLUMN slotting_rules.strategy_type IS 'fixed_bin, nearest_empty, by_velocity, by_family, consolidate, hazmat_separation';
COMMENT ON COLUMN slotting_rules.priority IS '1 is tried first';
