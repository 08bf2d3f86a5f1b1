-- How materials are made: bills of material with their components, routings with their operations.
-- Quantities are per base quantity of the header.

CREATE TABLE bill_of_materials (
    bom_id                    VARCHAR(50) PRIMARY KEY,
    bom_number                VARCHAR(50) NOT NULL UNIQUE,
    parent_material_id        VARCHAR(50) NOT NULL,
    parent_quantity           DECIMAL(15,4) DEFAULT 1,
    bom_usage                 VARCHAR(30),
    bom_status                VARCHAR(30) DEFAULT 'active',
    alternative_bom           INTEGER DEFAULT 1,
    valid_from                DATE NOT NULL,
    valid_to                  DATE,
    base_quantity             DECIMAL(15,4) DEFAULT 1,
    base_unit                 VARCHAR(20),
    lot_size                  DECIMAL(15,4),
    scrap_percentage          DECIMAL(5,2) DEFAULT 0,
    plant_id                  VARCHAR(50),
    product_id                VARCHAR(50),
    engineering_change_number VARCHAR(50),
    revision                  VARCHAR(20),
    is_current_revision       BOOLEAN DEFAULT true,
    created_by                VARCHAR(50),
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE bill_of_materials IS 'Product structure headers by revision';
COMMENT ON COLUMN bill_of_materials.bom_id IS 'BOM-000001 ...';
COMMENT ON COLUMN bill_of_materials.parent_material_id IS 'What the structure makes';
COMMENT ON COLUMN bill_of_materials.parent_quantity IS 'Quantity of the parent that one pass of the structure yields, in base_unit';
COMMENT ON COLUMN bill_of_materials.bom_usage IS 'production, engineering, costing, spare_parts';
COMMENT ON COLUMN bill_of_materials.bom_status IS 'draft, active, inactive, obsolete';
COMMENT ON COLUMN bill_of_materials.alternative_bom IS '1 is the first choice; others are alternatives of the same parent';
COMMENT ON COLUMN bill_of_materials.valid_to IS 'NULL: open end';
COMMENT ON COLUMN bill_of_materials.base_quantity IS 'Component quantities are for this quantity of the parent';
COMMENT ON COLUMN bill_of_materials.lot_size IS 'Lot the structure is meant for; NULL: any';
COMMENT ON COLUMN bill_of_materials.scrap_percentage IS 'Loss of the assembly, added to every component';
COMMENT ON COLUMN bill_of_materials.plant_id IS 'NULL: valid in every plant';
COMMENT ON COLUMN bill_of_materials.engineering_change_number IS 'Change that made the revision (engineering_change_orders); NULL: first issue';
COMMENT ON COLUMN bill_of_materials.revision IS 'A, B, C ...';
COMMENT ON COLUMN bill_of_materials.is_current_revision IS 'One row per parent, plant and alternative';

CREATE TABLE bom_components (
    component_id               VARCHAR(50) PRIMARY KEY,
    bom_id                     VARCHAR(50) NOT NULL,
    item_number                INTEGER NOT NULL,
    material_id                VARCHAR(50) NOT NULL,
    component_quantity         DECIMAL(15,4) NOT NULL,
    component_unit             VARCHAR(20) NOT NULL,
    component_scrap_percentage DECIMAL(5,2) DEFAULT 0,
    operation_number           INTEGER,
    backflush                  BOOLEAN DEFAULT false,
    procurement_indicator      VARCHAR(30),
    cost_relevance             BOOLEAN DEFAULT true,
    has_substitute             BOOLEAN DEFAULT false,
    substitute_material_id     VARCHAR(50),
    valid_from                 DATE,
    valid_to                   DATE,
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE bom_components IS 'Component lines of a product structure';
COMMENT ON COLUMN bom_components.item_number IS '10, 20, 30 ... within the structure';
COMMENT ON COLUMN bom_components.component_quantity IS 'For base_quantity of the header, in component_unit, scrap not included';
COMMENT ON COLUMN bom_components.component_scrap_percentage IS 'Loss of this component; requirement = order quantity / base_quantity * component_quantity * (1 + component_scrap_percentage / 100)';
COMMENT ON COLUMN bom_components.operation_number IS 'Routing operation that consumes it; NULL: the first';
COMMENT ON COLUMN bom_components.backflush IS 'Issued from stock when the operation is confirmed, not picked';
COMMENT ON COLUMN bom_components.procurement_indicator IS 'stock, direct, phantom, subcontract';
COMMENT ON COLUMN bom_components.cost_relevance IS 'Counted in the cost estimate';
COMMENT ON COLUMN bom_components.substitute_material_id IS 'Set when has_substitute';
COMMENT ON COLUMN bom_components.valid_to IS 'NULL: open end';

CREATE TABLE routing (
    routing_id     VARCHAR(50) PRIMARY KEY,
    routing_number VARCHAR(50) NOT NULL UNIQUE,
    material_id    VARCHAR(50) NOT NULL,
    plant_id       VARCHAR(50),
    routing_usage  VARCHAR(30),
    routing_status VARCHAR(30) DEFAULT 'active',
    base_quantity  DECIMAL(15,4) DEFAULT 1,
    lot_size_from  DECIMAL(15,4),
    lot_size_to    DECIMAL(15,4),
    valid_from     DATE NOT NULL,
    valid_to       DATE,
    created_by     VARCHAR(50),
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE routing IS 'Manufacturing process headers per material';
COMMENT ON COLUMN routing.routing_id IS 'RTG-000001 ...';
COMMENT ON COLUMN routing.plant_id IS 'NULL: valid in every plant';
COMMENT ON COLUMN routing.routing_usage IS 'production, rework, prototype';
COMMENT ON COLUMN routing.routing_status IS 'draft, active, inactive, obsolete';
COMMENT ON COLUMN routing.base_quantity IS 'Quantity of the material that operation times default to';
COMMENT ON COLUMN routing.lot_size_from IS 'Order quantities the routing is meant for; NULL: from 0';
COMMENT ON COLUMN routing.lot_size_to IS 'NULL: no upper limit';
COMMENT ON COLUMN routing.valid_to IS 'NULL: open end';

CREATE TABLE routing_operations (
    operation_id          VARCHAR(50) PRIMARY KEY,
    routing_id            VARCHAR(50) NOT NULL,
    operation_number      INTEGER NOT NULL,
    operation_short_text  VARCHAR(200),
    operation_description TEXT,
    work_center_id        VARCHAR(50),
    control_key           VARCHAR(10),
    setup_time            DECIMAL(10,2),
    machine_time          DECIMAL(10,2),
    labor_time            DECIMAL(10,2),
    base_quantity         DECIMAL(15,4) DEFAULT 1,
    standard_value_unit   VARCHAR(20),
    activity_type         VARCHAR(50),
    price_per_unit        DECIMAL(12,4),
    earliest_start_offset INTEGER DEFAULT 0,
    latest_start_offset   INTEGER DEFAULT 0,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE routing_operations IS 'Process steps of a routing with setup and run times';
COMMENT ON COLUMN routing_operations.operation_number IS '10, 20, 30 ... within the routing; order of execution';
COMMENT ON COLUMN routing_operations.work_center_id IS 'NULL: done by a subcontractor';
COMMENT ON COLUMN routing_operations.control_key IS 'PP01 in-house, PP02 external, PP03 inspection, PP04 milestone';
COMMENT ON COLUMN routing_operations.setup_time IS 'Once per order, in standard_value_unit';
COMMENT ON COLUMN routing_operations.machine_time IS 'For base_quantity, in standard_value_unit; run time = order quantity / base_quantity * machine_time';
COMMENT ON COLUMN routing_operations.labor_time IS 'For base_quantity, in standard_value_unit';
COMMENT ON COLUMN routing_operations.standard_value_unit IS 'MIN or H: unit of the three times';
COMMENT ON COLUMN routing_operations.activity_type IS 'machining, assembly, welding, painting, inspection, packing';
COMMENT ON COLUMN routing_operations.price_per_unit IS 'Price of one unit done outside, INR; NULL: in house';
COMMENT ON COLUMN routing_operations.earliest_start_offset IS 'Working days after the start of the order';
COMMENT ON COLUMN routing_operations.latest_start_offset IS 'Working days after the start of the order';
