-- Materials as planning, costing and purchasing see them, with the stock policy of each plant: class by value,
-- buffer levels and the way stock is valued.

CREATE TABLE materials (
    material_id              VARCHAR(50) PRIMARY KEY,
    material_code            VARCHAR(50) NOT NULL UNIQUE,
    material_name            VARCHAR(200) NOT NULL,
    material_type            VARCHAR(50) NOT NULL,
    material_group           VARCHAR(50),
    commodity_code           VARCHAR(50),
    product_family           VARCHAR(50),
    base_unit_of_measure     VARCHAR(20) NOT NULL,
    weight_kg                DECIMAL(10,4),
    volume_m3                DECIMAL(10,6),
    dimensions               VARCHAR(100),
    procurement_type         VARCHAR(30),
    default_supplier_id      VARCHAR(50),
    lead_time_days           INTEGER,
    minimum_order_quantity   DECIMAL(15,4),
    order_multiple           DECIMAL(15,4),
    abc_classification       VARCHAR(1),
    reorder_point            DECIMAL(15,4),
    safety_stock             DECIMAL(15,4),
    maximum_stock            DECIMAL(15,4),
    valuation_class          VARCHAR(50),
    standard_cost            DECIMAL(15,4),
    moving_average_cost      DECIMAL(15,4),
    last_purchase_price      DECIMAL(15,4),
    inspection_required      BOOLEAN DEFAULT false,
    shelf_life_days          INTEGER,
    mrp_type                 VARCHAR(30),
    lot_sizing_procedure     VARCHAR(30),
    planning_time_fence_days INTEGER,
    material_status          VARCHAR(30) DEFAULT 'active',
    blocked_for_procurement  BOOLEAN DEFAULT false,
    blocked_for_production   BOOLEAN DEFAULT false,
    product_id               VARCHAR(50),
    created_by               VARCHAR(50),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX materials_material_type_material_status_idx ON materials (material_type, material_status);
COMMENT ON TABLE materials IS 'Planning, costing and purchasing view of each material; same keys as genims_master_db.materials';
COMMENT ON COLUMN materials.material_id IS 'MAT-00001 ...; same key as genims_master_db.materials';
COMMENT ON COLUMN materials.material_type IS 'raw_material, component, semi_finished, finished_good, packaging, consumable, spare_part, trading_good';
COMMENT ON COLUMN materials.material_group IS 'steel, aluminium, plastics, electronics, fasteners, chemicals, packaging ...; carries the valuation method';
COMMENT ON COLUMN materials.commodity_code IS 'Harmonised System code for customs, 6 to 8 digits';
COMMENT ON COLUMN materials.base_unit_of_measure IS 'Unit of every quantity and cost of the material: EA, KG, M, L ... (units_of_measure)';
COMMENT ON COLUMN materials.weight_kg IS 'Of one base unit';
COMMENT ON COLUMN materials.volume_m3 IS 'Of one base unit';
COMMENT ON COLUMN materials.dimensions IS 'Length x width x height, mm';
COMMENT ON COLUMN materials.procurement_type IS 'purchased, manufactured, both';
COMMENT ON COLUMN materials.default_supplier_id IS 'NULL for what is made in house';
COMMENT ON COLUMN materials.lead_time_days IS 'Purchasing or in-house production time, calendar days';
COMMENT ON COLUMN materials.minimum_order_quantity IS 'Base units; NULL: no minimum';
COMMENT ON COLUMN materials.order_multiple IS 'Orders are rounded up to a multiple of it; NULL: no rounding';
COMMENT ON COLUMN materials.abc_classification IS 'A, B, C: latest class of abc_classification';
COMMENT ON COLUMN materials.reorder_point IS 'Base units; default for plants without safety_stock_levels';
COMMENT ON COLUMN materials.safety_stock IS 'Base units; default for plants without safety_stock_levels';
COMMENT ON COLUMN materials.maximum_stock IS 'Base units';
COMMENT ON COLUMN materials.valuation_class IS 'Groups materials that post to the same stock account: 3000 raw, 7900 semi-finished, 7920 finished';
COMMENT ON COLUMN materials.standard_cost IS 'Cost of one base unit in the released costing version, INR';
COMMENT ON COLUMN materials.moving_average_cost IS 'Average cost of one base unit over the stock, INR';
COMMENT ON COLUMN materials.last_purchase_price IS 'Price of one base unit on the last receipt, INR; NULL: never bought';
COMMENT ON COLUMN materials.inspection_required IS 'Receipts go to quality inspection stock first';
COMMENT ON COLUMN materials.shelf_life_days IS 'From manufacture to expiry; NULL: does not expire';
COMMENT ON COLUMN materials.mrp_type IS 'mrp, reorder_point, forecast_based, none';
COMMENT ON COLUMN materials.lot_sizing_procedure IS 'lot_for_lot, fixed_lot, economic_order_quantity, period_lot';
COMMENT ON COLUMN materials.planning_time_fence_days IS 'Planning changes no order inside it';
COMMENT ON COLUMN materials.material_status IS 'draft, active, phase_out, obsolete';
COMMENT ON COLUMN materials.product_id IS 'Saleable product that a finished good is; NULL for everything else';

CREATE TABLE safety_stock_levels (
    safety_stock_level_id        VARCHAR(50) PRIMARY KEY,
    material_id                  VARCHAR(50) NOT NULL,
    plant_id                     VARCHAR(50) NOT NULL,
    inventory_location_id        VARCHAR(50),
    calculation_method           VARCHAR(30) NOT NULL DEFAULT 'statistical',
    service_level_percentage     DECIMAL(5,2),
    service_factor               DECIMAL(6,3),
    average_daily_demand         DECIMAL(15,4) NOT NULL,
    demand_standard_deviation    DECIMAL(15,4),
    lead_time_days               DECIMAL(8,2) NOT NULL,
    lead_time_standard_deviation DECIMAL(8,2),
    safety_stock_quantity        DECIMAL(15,4) NOT NULL,
    reorder_point                DECIMAL(15,4) NOT NULL,
    maximum_stock                DECIMAL(15,4),
    unit_of_measure              VARCHAR(20) NOT NULL,
    review_period_days           INTEGER NOT NULL DEFAULT 30,
    valid_from                   DATE NOT NULL,
    valid_to                     DATE,
    calculated_at                TIMESTAMP,
    approved_by                  VARCHAR(50),
    status                       VARCHAR(30) NOT NULL DEFAULT 'active',
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE NULLS NOT DISTINCT (material_id, plant_id, inventory_location_id, valid_from),
    CHECK (calculation_method IN ('fixed', 'statistical', 'days_of_supply')),
    CHECK (status IN ('proposed', 'active', 'superseded')),
    CHECK (service_level_percentage > 0 AND service_level_percentage < 100),
    CHECK (average_daily_demand >= 0 AND lead_time_days >= 0 AND safety_stock_quantity >= 0),
    CHECK (reorder_point >= safety_stock_quantity),
    CHECK (maximum_stock >= reorder_point),
    CHECK (review_period_days > 0),
    CHECK (valid_to >= valid_from)
);
COMMENT ON TABLE safety_stock_levels IS 'Buffer and reorder levels per material and site, with the figures they were calculated from';
COMMENT ON COLUMN safety_stock_levels.inventory_location_id IS 'NULL: level of the whole plant';
COMMENT ON COLUMN safety_stock_levels.calculation_method IS 'fixed, statistical, days_of_supply';
COMMENT ON COLUMN safety_stock_levels.service_level_percentage IS 'Chance of no stock-out in one replenishment cycle';
COMMENT ON COLUMN safety_stock_levels.service_factor IS 'z of the normal distribution for the service level: 95 % -> 1.645';
COMMENT ON COLUMN safety_stock_levels.average_daily_demand IS 'Per calendar day';
COMMENT ON COLUMN safety_stock_levels.demand_standard_deviation IS 'Of the daily demand';
COMMENT ON COLUMN safety_stock_levels.lead_time_days IS 'Average replenishment time';
COMMENT ON COLUMN safety_stock_levels.lead_time_standard_deviation IS 'Days';
COMMENT ON COLUMN safety_stock_levels.safety_stock_quantity IS 'statistical: service_factor * sqrt(lead_time_days * demand_standard_deviation^2 + average_daily_demand^2 * lead_time_standard_deviation^2)';
COMMENT ON COLUMN safety_stock_levels.reorder_point IS 'average_daily_demand * lead_time_days + safety_stock_quantity';
COMMENT ON COLUMN safety_stock_levels.maximum_stock IS 'NULL: no upper level';
COMMENT ON COLUMN safety_stock_levels.unit_of_measure IS 'Base unit of the material';
COMMENT ON COLUMN safety_stock_levels.review_period_days IS 'Days between two calculations';
COMMENT ON COLUMN safety_stock_levels.valid_to IS 'NULL: current level';
COMMENT ON COLUMN safety_stock_levels.approved_by IS 'Planner; NULL while proposed';
COMMENT ON COLUMN safety_stock_levels.status IS 'proposed, active, superseded';

CREATE TABLE abc_classification (
    classification_id           VARCHAR(50) PRIMARY KEY,
    material_id                 VARCHAR(50) NOT NULL,
    plant_id                    VARCHAR(50) NOT NULL,
    period_start                DATE NOT NULL,
    period_end                  DATE NOT NULL,
    usage_quantity              DECIMAL(15,4) NOT NULL,
    unit_of_measure             VARCHAR(20) NOT NULL,
    unit_cost                   DECIMAL(15,4) NOT NULL,
    usage_value                 DECIMAL(15,2) NOT NULL,
    currency                    VARCHAR(3) NOT NULL DEFAULT 'INR',
    value_rank                  INTEGER NOT NULL,
    value_share_percentage      DECIMAL(7,4) NOT NULL,
    cumulative_share_percentage DECIMAL(7,4) NOT NULL,
    abc_class                   VARCHAR(1) NOT NULL,
    xyz_class                   VARCHAR(1),
    demand_variation            DECIMAL(8,4),
    previous_abc_class          VARCHAR(1),
    count_interval_days         INTEGER NOT NULL,
    manually_set                BOOLEAN NOT NULL DEFAULT false,
    status                      VARCHAR(30) NOT NULL DEFAULT 'released',
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (material_id, plant_id, period_start),
    CHECK (abc_class IN ('A', 'B', 'C')),
    CHECK (previous_abc_class IN ('A', 'B', 'C')),
    CHECK (xyz_class IN ('X', 'Y', 'Z')),
    CHECK (status IN ('draft', 'released', 'superseded')),
    CHECK (period_end > period_start),
    CHECK (usage_quantity >= 0 AND unit_cost >= 0 AND usage_value >= 0),
    CHECK (value_rank >= 1),
    CHECK (cumulative_share_percentage BETWEEN value_share_percentage AND 100),
    CHECK (count_interval_days > 0)
);
CREATE INDEX abc_classification_plant_id_period_start_abc_class_idx ON abc_classification (plant_id, period_start, abc_class);
COMMENT ON TABLE abc_classification IS 'Value-volume class of each material by plant and period';
COMMENT ON COLUMN abc_classification.period_start IS 'First day of the usage that was ranked';
COMMENT ON COLUMN abc_classification.period_end IS 'Last day';
COMMENT ON COLUMN abc_classification.usage_quantity IS 'Issues in the period, base units';
COMMENT ON COLUMN abc_classification.unit_cost IS 'Standard cost when ranked';
COMMENT ON COLUMN abc_classification.usage_value IS 'usage_quantity * unit_cost';
COMMENT ON COLUMN abc_classification.value_rank IS '1 = highest usage_value in the plant and period';
COMMENT ON COLUMN abc_classification.value_share_percentage IS 'usage_value / total usage_value of the plant * 100';
COMMENT ON COLUMN abc_classification.cumulative_share_percentage IS 'Sum of the shares from rank 1 to this rank';
COMMENT ON COLUMN abc_classification.abc_class IS 'A up to 80 % of the cumulative share, B up to 95 %, C the rest';
COMMENT ON COLUMN abc_classification.xyz_class IS 'Steadiness of demand: X variation below 0.5, Y below 1, Z above; NULL: not assessed';
COMMENT ON COLUMN abc_classification.demand_variation IS 'Standard deviation / mean of the monthly demand';
COMMENT ON COLUMN abc_classification.previous_abc_class IS 'Class of the period before; NULL: first period';
COMMENT ON COLUMN abc_classification.count_interval_days IS 'Days between two cycle counts: A 30, B 90, C 180';
COMMENT ON COLUMN abc_classification.manually_set IS 'A planner overruled the class';
COMMENT ON COLUMN abc_classification.status IS 'draft, released, superseded';

CREATE TABLE inventory_valuation_methods (
    valuation_method_id      VARCHAR(50) PRIMARY KEY,
    company_id               VARCHAR(50) NOT NULL,
    material_group           VARCHAR(50) NOT NULL,
    valuation_class          VARCHAR(50),
    valuation_method         VARCHAR(30) NOT NULL,
    price_unit               INTEGER NOT NULL DEFAULT 1,
    currency                 VARCHAR(3) NOT NULL DEFAULT 'INR',
    stock_account            VARCHAR(20) NOT NULL,
    consumption_account      VARCHAR(20) NOT NULL,
    price_difference_account VARCHAR(20),
    receipt_clearing_account VARCHAR(20) NOT NULL,
    overhead_percentage      DECIMAL(5,2) NOT NULL DEFAULT 0,
    lower_of_cost_or_market  BOOLEAN NOT NULL DEFAULT true,
    revaluation_frequency    VARCHAR(30) NOT NULL DEFAULT 'yearly',
    last_revaluation_date    DATE,
    valid_from               DATE NOT NULL,
    valid_to                 DATE,
    approved_by              VARCHAR(50),
    status                   VARCHAR(30) NOT NULL DEFAULT 'active',
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (company_id, material_group, valid_from),
    CHECK (valuation_method IN ('standard_cost', 'moving_average', 'fifo', 'weighted_average')),
    CHECK (revaluation_frequency IN ('monthly', 'quarterly', 'yearly')),
    CHECK (status IN ('draft', 'active', 'retired')),
    CHECK (price_unit > 0),
    CHECK (overhead_percentage BETWEEN 0 AND 100),
    CHECK (valuation_method <> 'standard_cost' OR price_difference_account IS NOT NULL),
    CHECK (valid_to >= valid_from)
);
COMMENT ON TABLE inventory_valuation_methods IS 'Valuation approach per material group and company, with the accounts that stock postings use';
COMMENT ON COLUMN inventory_valuation_methods.company_id IS 'Legal entity that owns the stock';
COMMENT ON COLUMN inventory_valuation_methods.material_group IS 'As in materials.material_group';
COMMENT ON COLUMN inventory_valuation_methods.valuation_class IS 'As in materials.valuation_class';
COMMENT ON COLUMN inventory_valuation_methods.valuation_method IS 'standard_cost, moving_average, fifo, weighted_average';
COMMENT ON COLUMN inventory_valuation_methods.price_unit IS 'Quantity that a price is for';
COMMENT ON COLUMN inventory_valuation_methods.stock_account IS 'Balance sheet account of the stock';
COMMENT ON COLUMN inventory_valuation_methods.consumption_account IS 'Debited by goods issues';
COMMENT ON COLUMN inventory_valuation_methods.price_difference_account IS 'Takes price variances; NULL under moving average';
COMMENT ON COLUMN inventory_valuation_methods.receipt_clearing_account IS 'Credited by goods receipts until the invoice comes';
COMMENT ON COLUMN inventory_valuation_methods.overhead_percentage IS 'Material overhead added to the cost';
COMMENT ON COLUMN inventory_valuation_methods.lower_of_cost_or_market IS 'Stock is written down when the market price is lower';
COMMENT ON COLUMN inventory_valuation_methods.revaluation_frequency IS 'monthly, quarterly, yearly';
COMMENT ON COLUMN inventory_valuation_methods.valid_to IS 'NULL: open end';
COMMENT ON COLUMN inventory_valuation_methods.status IS 'draft, active, retired';
