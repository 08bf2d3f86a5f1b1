-- Which line can make which product, and which customer buys which product.
-- Both are many-to-many links between the tables of V001.

CREATE TABLE line_product_mapping (
    mapping_id                  VARCHAR(50) PRIMARY KEY,
    line_id                     VARCHAR(50) NOT NULL,
    product_id                  VARCHAR(50) NOT NULL,
    factory_id                  VARCHAR(50) NOT NULL,
    is_primary_line             BOOLEAN DEFAULT false,
    standard_cycle_time_seconds INTEGER,
    setup_time_minutes          INTEGER,
    changeover_time_minutes     INTEGER,
    yield_percentage            DECIMAL(5,2),
    status                      VARCHAR(20) DEFAULT 'active',
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE line_product_mapping IS 'Which line can make which product, with cycle, setup and changeover times';
COMMENT ON COLUMN line_product_mapping.is_primary_line IS 'The line planned first for the product; one per product and plant';
COMMENT ON COLUMN line_product_mapping.standard_cycle_time_seconds IS 'Seconds for one unit on this line';
COMMENT ON COLUMN line_product_mapping.setup_time_minutes IS 'From an empty line to the first good part';
COMMENT ON COLUMN line_product_mapping.changeover_time_minutes IS 'From another product of the line to this one, on average';
COMMENT ON COLUMN line_product_mapping.yield_percentage IS 'Good units of units made, percent, expected';
COMMENT ON COLUMN line_product_mapping.status IS 'active, inactive';

CREATE TABLE customer_product_mapping (
    mapping_id              VARCHAR(50) PRIMARY KEY,
    customer_id             VARCHAR(50) NOT NULL,
    product_id              VARCHAR(50) NOT NULL,
    is_active               BOOLEAN DEFAULT true,
    annual_volume           INTEGER,
    unit_price_usd          DECIMAL(10,2),
    lead_time_days          INTEGER,
    quality_requirement_ppm INTEGER,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE customer_product_mapping IS 'Which customer buys which product, at what price and quality';
COMMENT ON COLUMN customer_product_mapping.annual_volume IS 'Units per year that the customer plans to take';
COMMENT ON COLUMN customer_product_mapping.unit_price_usd IS 'Agreed price of one unit, US dollars';
COMMENT ON COLUMN customer_product_mapping.lead_time_days IS 'Calendar days from order to delivery';
COMMENT ON COLUMN customer_product_mapping.quality_requirement_ppm IS 'Defective parts per million accepted for this product; NULL: customers.sla_quality_ppm_max holds';
