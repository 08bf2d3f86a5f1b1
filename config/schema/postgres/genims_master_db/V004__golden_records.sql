-- Golden records: the one identity of each material, supplier and warehouse in the group.
-- The ERP and WMS tables of the same names are module views under the same keys and codes.

CREATE TABLE materials (
    material_id                     VARCHAR(50) PRIMARY KEY,
    material_code                   VARCHAR(50) NOT NULL UNIQUE,
    material_name                   VARCHAR(200) NOT NULL,
    description                     TEXT,
    material_type                   VARCHAR(50) NOT NULL CHECK (material_type IN ('raw_material', 'component', 'semi_finished', 'finished_good', 'packaging', 'consumable', 'spare_part', 'trading_good')),
    material_group                  VARCHAR(50),
    commodity_code                  VARCHAR(50),
    product_id                      VARCHAR(50),
    base_unit_of_measure            VARCHAR(20) NOT NULL,
    weight_kg                       DECIMAL(10,4) CHECK (weight_kg >= 0),
    volume_m3                       DECIMAL(10,6) CHECK (volume_m3 >= 0),
    country_of_origin               VARCHAR(100),
    drawing_number                  VARCHAR(50),
    drawing_revision                VARCHAR(20),
    is_batch_managed                BOOLEAN NOT NULL DEFAULT false,
    is_serialised                   BOOLEAN NOT NULL DEFAULT false,
    shelf_life_days                 INTEGER CHECK (shelf_life_days > 0),
    is_hazardous                    BOOLEAN NOT NULL DEFAULT false,
    un_number                       VARCHAR(10),
    min_storage_temperature_celsius DECIMAL(5,2),
    max_storage_temperature_celsius DECIMAL(5,2),
    data_steward_id                 VARCHAR(50),
    valid_from                      DATE NOT NULL DEFAULT CURRENT_DATE,
    valid_until                     DATE,
    status                          VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (status IN ('draft', 'active', 'phase_out', 'obsolete')),
    created_at                      TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                      TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (valid_until >= valid_from),
    CHECK (max_storage_temperature_celsius >= min_storage_temperature_celsius),
    CHECK (un_number IS NULL OR is_hazardous)
);
CREATE INDEX materials_material_type_status_idx ON materials (material_type, status);
CREATE INDEX materials_material_group_idx ON materials (material_group);
COMMENT ON TABLE materials IS 'Golden material identity shared by ERP, WMS and QMS';
COMMENT ON COLUMN materials.material_id IS 'MAT-00001 ...; same key as genims_erp_db.materials';
COMMENT ON COLUMN materials.material_code IS 'Part number on labels and drawings; same as in the ERP';
COMMENT ON COLUMN materials.material_type IS 'raw_material, component, semi_finished, finished_good, packaging, consumable, spare_part, trading_good';
COMMENT ON COLUMN materials.material_group IS 'Purchasing group: steel, aluminium, electronics, fasteners ...';
COMMENT ON COLUMN materials.commodity_code IS 'Harmonised System code for customs';
COMMENT ON COLUMN materials.product_id IS 'The product that this material is in stock; only for finished_good, else NULL';
COMMENT ON COLUMN materials.base_unit_of_measure IS 'EA, KG, M, L ...; every stock and BOM quantity is in it';
COMMENT ON COLUMN materials.weight_kg IS 'Net weight of one base unit, kilograms';
COMMENT ON COLUMN materials.volume_m3 IS 'Volume of one base unit, cubic metres';
COMMENT ON COLUMN materials.is_batch_managed IS 'Stock is kept by batch';
COMMENT ON COLUMN materials.is_serialised IS 'Every piece has a serial number';
COMMENT ON COLUMN materials.shelf_life_days IS 'From production to expiry; NULL: does not expire';
COMMENT ON COLUMN materials.un_number IS 'UN number of dangerous goods, UN1263; only when is_hazardous';
COMMENT ON COLUMN materials.min_storage_temperature_celsius IS 'NULL: no lower limit';
COMMENT ON COLUMN materials.max_storage_temperature_celsius IS 'NULL: no upper limit';
COMMENT ON COLUMN materials.data_steward_id IS 'Employee who answers for the record';
COMMENT ON COLUMN materials.valid_until IS 'Last day of use; NULL: open';
COMMENT ON COLUMN materials.status IS 'draft, active, phase_out, obsolete';

CREATE TABLE suppliers (
    supplier_id         VARCHAR(50) PRIMARY KEY,
    supplier_code       VARCHAR(50) NOT NULL UNIQUE,
    supplier_name       VARCHAR(200) NOT NULL,
    legal_name          VARCHAR(200),
    supplier_category   VARCHAR(50) NOT NULL DEFAULT 'material' CHECK (supplier_category IN ('material', 'component', 'mro', 'service', 'logistics', 'capital_equipment')),
    parent_supplier_id  VARCHAR(50),
    tax_id              VARCHAR(50),
    registration_number VARCHAR(50),
    duns_number         VARCHAR(9) UNIQUE CHECK (length(duns_number) = 9),
    address_line1       VARCHAR(200),
    city                VARCHAR(100),
    state               VARCHAR(100),
    postal_code         VARCHAR(20),
    country             VARCHAR(100) NOT NULL,
    email               VARCHAR(200),
    phone               VARCHAR(50),
    website             VARCHAR(200),
    currency            VARCHAR(3) NOT NULL DEFAULT 'INR' CHECK (length(currency) = 3),
    quality_standard    VARCHAR(100),
    approval_status     VARCHAR(30) NOT NULL DEFAULT 'pending' CHECK (approval_status IN ('pending', 'conditional', 'approved', 'disqualified')),
    approved_date       DATE,
    onboarding_date     DATE,
    data_steward_id     VARCHAR(50),
    status              VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'blocked', 'inactive')),
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (parent_supplier_id <> supplier_id),
    CHECK (approval_status NOT IN ('conditional', 'approved') OR approved_date IS NOT NULL)
);
CREATE INDEX suppliers_status_approval_status_idx ON suppliers (status, approval_status);
CREATE INDEX suppliers_country_idx ON suppliers (country);
COMMENT ON TABLE suppliers IS 'Golden vendor identity shared by ERP, QMS and supplier portal';
COMMENT ON COLUMN suppliers.supplier_id IS 'SUP-0001 ...; same key as genims_erp_db.suppliers';
COMMENT ON COLUMN suppliers.supplier_code IS 'Short code, same as in the ERP';
COMMENT ON COLUMN suppliers.legal_name IS 'As in the companies register, where it differs from supplier_name';
COMMENT ON COLUMN suppliers.supplier_category IS 'material, component, mro, service, logistics, capital_equipment';
COMMENT ON COLUMN suppliers.parent_supplier_id IS 'Vendor that owns this one; NULL: independent';
COMMENT ON COLUMN suppliers.tax_id IS 'GSTIN, VAT number or EIN, by country';
COMMENT ON COLUMN suppliers.duns_number IS 'D-U-N-S number, 9 digits';
COMMENT ON COLUMN suppliers.currency IS 'Currency of its invoices, ISO 4217';
COMMENT ON COLUMN suppliers.quality_standard IS 'Management system standards held, separated by commas: ISO 9001, IATF 16949 ...';
COMMENT ON COLUMN suppliers.approval_status IS 'pending, conditional, approved, disqualified; orders need conditional or approved';
COMMENT ON COLUMN suppliers.approved_date IS 'Day of the first approval, conditional or full; must be set for both';
COMMENT ON COLUMN suppliers.onboarding_date IS 'Day when the record was taken up';
COMMENT ON COLUMN suppliers.data_steward_id IS 'Employee who answers for the record';
COMMENT ON COLUMN suppliers.status IS 'active, blocked, inactive';

CREATE TABLE warehouses (
    warehouse_id             VARCHAR(50) PRIMARY KEY,
    warehouse_code           VARCHAR(50) NOT NULL UNIQUE,
    warehouse_name           VARCHAR(200) NOT NULL,
    warehouse_type           VARCHAR(50) NOT NULL CHECK (warehouse_type IN ('raw_material', 'work_in_progress', 'finished_goods', 'spare_parts', 'distribution_center')),
    company_id               VARCHAR(50),
    factory_id               VARCHAR(50),
    address_line1            VARCHAR(200),
    city                     VARCHAR(100) NOT NULL,
    state                    VARCHAR(100),
    postal_code              VARCHAR(20),
    country                  VARCHAR(100) NOT NULL,
    latitude                 DECIMAL(9,6) CHECK (latitude BETWEEN -90 AND 90),
    longitude                DECIMAL(9,6) CHECK (longitude BETWEEN -180 AND 180),
    timezone                 VARCHAR(50),
    total_area_sqm           DECIMAL(12,2) CHECK (total_area_sqm > 0),
    storage_capacity_pallets INTEGER CHECK (storage_capacity_pallets >= 0),
    is_bonded                BOOLEAN NOT NULL DEFAULT false,
    is_third_party           BOOLEAN NOT NULL DEFAULT false,
    temperature_controlled   BOOLEAN NOT NULL DEFAULT false,
    manager_id               VARCHAR(50),
    operational_since        DATE,
    closed_date              DATE,
    status                   VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (status IN ('planned', 'active', 'closed')),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (closed_date >= operational_since)
);
CREATE INDEX warehouses_warehouse_type_status_idx ON warehouses (warehouse_type, status);
COMMENT ON TABLE warehouses IS 'Golden storage-site identity shared by ERP, WMS and TMS';
COMMENT ON COLUMN warehouses.warehouse_id IS 'WH-01 ...; same key as genims_wms_db.warehouses';
COMMENT ON COLUMN warehouses.warehouse_code IS 'Short code, same as in the WMS';
COMMENT ON COLUMN warehouses.warehouse_type IS 'raw_material, work_in_progress, finished_goods, spare_parts, distribution_center';
COMMENT ON COLUMN warehouses.company_id IS 'Legal entity that owns the stock';
COMMENT ON COLUMN warehouses.factory_id IS 'Plant on whose ground it stands (plant_id in the WMS); NULL: away from the plants';
COMMENT ON COLUMN warehouses.latitude IS 'Degrees, WGS 84';
COMMENT ON COLUMN warehouses.longitude IS 'Degrees, WGS 84';
COMMENT ON COLUMN warehouses.timezone IS 'IANA name';
COMMENT ON COLUMN warehouses.storage_capacity_pallets IS 'Pallet places';
COMMENT ON COLUMN warehouses.is_bonded IS 'Customs warehouse: goods not yet cleared';
COMMENT ON COLUMN warehouses.is_third_party IS 'Run by a logistics provider';
COMMENT ON COLUMN warehouses.status IS 'planned, active, closed';
