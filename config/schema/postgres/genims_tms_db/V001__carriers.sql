-- Carriers: services, tariffs, negotiated contracts and how well they perform.
-- A freight price is base_rate + weight * per_kg_rate, the fuel surcharge on top.

CREATE TABLE carriers (
    carrier_id                VARCHAR(50) PRIMARY KEY,
    carrier_code              VARCHAR(50) NOT NULL UNIQUE,
    carrier_name              VARCHAR(200) NOT NULL,
    contact_person            VARCHAR(100),
    email                     VARCHAR(100),
    phone                     VARCHAR(50),
    website                   VARCHAR(200),
    address_line1             VARCHAR(200),
    city                      VARCHAR(100),
    state                     VARCHAR(100),
    country                   VARCHAR(50),
    postal_code               VARCHAR(20),
    tax_id                    VARCHAR(50),
    carrier_type              VARCHAR(50),
    api_integration           BOOLEAN DEFAULT false,
    tracking_url_template     VARCHAR(500),
    on_time_delivery_pct      DECIMAL(5,2),
    damage_rate_pct           DECIMAL(5,2),
    total_shipments           INTEGER DEFAULT 0,
    total_freight_spend       DECIMAL(15,2) DEFAULT 0,
    cargo_insurance_available BOOLEAN DEFAULT false,
    max_insurance_value       DECIMAL(15,2),
    carrier_status            VARCHAR(30) DEFAULT 'active',
    approved_for_shipments    BOOLEAN DEFAULT true,
    carrier_rating            DECIMAL(3,2),
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE carriers IS 'Transport companies with performance figures';
COMMENT ON COLUMN carriers.carrier_id IS 'CAR-01 ...; what WMS, ERP and every shipment refer to';
COMMENT ON COLUMN carriers.carrier_code IS 'Short name, as in file exchange (SCAC or own)';
COMMENT ON COLUMN carriers.tax_id IS 'Tax registration number of the carrier, no reference';
COMMENT ON COLUMN carriers.carrier_type IS 'parcel, ltl, ftl, air, ocean, rail, courier, own_fleet';
COMMENT ON COLUMN carriers.api_integration IS 'Tracking events arrive by its interface';
COMMENT ON COLUMN carriers.tracking_url_template IS '{tracking_number} stands for the number';
COMMENT ON COLUMN carriers.on_time_delivery_pct IS 'Of the last twelve months, 0 to 100';
COMMENT ON COLUMN carriers.damage_rate_pct IS 'Damaged shipments, percent of all';
COMMENT ON COLUMN carriers.total_shipments IS 'Shipments ever given to it';
COMMENT ON COLUMN carriers.total_freight_spend IS 'Sum of its freight invoices, INR';
COMMENT ON COLUMN carriers.max_insurance_value IS 'INR; NULL unless cargo_insurance_available';
COMMENT ON COLUMN carriers.carrier_status IS 'active, inactive, suspended, blacklisted';
COMMENT ON COLUMN carriers.approved_for_shipments IS 'May get new shipments; only when carrier_status is active';
COMMENT ON COLUMN carriers.carrier_rating IS '0.00 to 5.00';

CREATE TABLE carrier_services (
    service_id             VARCHAR(50) PRIMARY KEY,
    carrier_id             VARCHAR(50) NOT NULL,
    service_code           VARCHAR(50) NOT NULL,
    service_name           VARCHAR(200) NOT NULL,
    service_type           VARCHAR(50),
    transit_days_min       INTEGER,
    transit_days_max       INTEGER,
    signature_required     BOOLEAN DEFAULT false,
    saturday_delivery      BOOLEAN DEFAULT false,
    sunday_delivery        BOOLEAN DEFAULT false,
    hazmat_capable         BOOLEAN DEFAULT false,
    temperature_controlled BOOLEAN DEFAULT false,
    max_weight_kg          DECIMAL(10,2),
    max_length_cm          DECIMAL(8,2),
    max_width_cm           DECIMAL(8,2),
    max_height_cm          DECIMAL(8,2),
    domestic               BOOLEAN DEFAULT true,
    international          BOOLEAN DEFAULT false,
    is_active              BOOLEAN DEFAULT true,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX carrier_services_carrier_id_service_code_idx ON carrier_services (carrier_id, service_code);
COMMENT ON TABLE carrier_services IS 'Service products offered by a carrier';
COMMENT ON COLUMN carrier_services.service_code IS 'Unique for the carrier: EXP, STD, ECO ...; what shipping_tasks.carrier_service holds';
COMMENT ON COLUMN carrier_services.service_type IS 'same_day, next_day, express, standard, economy, freight';
COMMENT ON COLUMN carrier_services.transit_days_min IS 'Calendar days from pickup';
COMMENT ON COLUMN carrier_services.transit_days_max IS 'Calendar days from pickup; at least transit_days_min';
COMMENT ON COLUMN carrier_services.max_weight_kg IS 'Per package; NULL: no limit';

CREATE TABLE carrier_rates (
    rate_id                     VARCHAR(50) PRIMARY KEY,
    carrier_id                  VARCHAR(50) NOT NULL,
    service_id                  VARCHAR(50) NOT NULL,
    origin_country              VARCHAR(50),
    origin_state                VARCHAR(100),
    origin_postal_code          VARCHAR(20),
    destination_country         VARCHAR(50),
    destination_state           VARCHAR(100),
    destination_postal_code     VARCHAR(20),
    zone                        VARCHAR(20),
    min_weight_kg               DECIMAL(10,2),
    max_weight_kg               DECIMAL(10,2),
    base_rate                   DECIMAL(12,4),
    per_kg_rate                 DECIMAL(12,4),
    fuel_surcharge_pct          DECIMAL(5,2),
    currency                    VARCHAR(3) DEFAULT 'INR',
    residential_delivery_charge DECIMAL(10,2),
    signature_charge            DECIMAL(10,2),
    insurance_rate_pct          DECIMAL(5,2),
    effective_date              DATE NOT NULL,
    expiry_date                 DATE,
    is_active                   BOOLEAN DEFAULT true,
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX carrier_rates_service_id_origin_state_destination_state_idx ON carrier_rates (service_id, origin_state, destination_state);
COMMENT ON TABLE carrier_rates IS 'Tariffs by lane, weight class and service';
COMMENT ON COLUMN carrier_rates.origin_state IS 'NULL: any, as for every other empty part of the lane';
COMMENT ON COLUMN carrier_rates.zone IS 'Tariff zone of the carrier: local, regional, national, international';
COMMENT ON COLUMN carrier_rates.min_weight_kg IS 'Weight class from, inclusive';
COMMENT ON COLUMN carrier_rates.max_weight_kg IS 'Weight class to, exclusive; NULL: open';
COMMENT ON COLUMN carrier_rates.base_rate IS 'Price per shipment';
COMMENT ON COLUMN carrier_rates.per_kg_rate IS 'Price per kg on top of base_rate';
COMMENT ON COLUMN carrier_rates.fuel_surcharge_pct IS 'Percent of base_rate + weight * per_kg_rate';
COMMENT ON COLUMN carrier_rates.residential_delivery_charge IS 'Per shipment, as is signature_charge';
COMMENT ON COLUMN carrier_rates.insurance_rate_pct IS 'Percent of the insured value';
COMMENT ON COLUMN carrier_rates.effective_date IS 'First day';
COMMENT ON COLUMN carrier_rates.expiry_date IS 'Last day; NULL: open; never before effective_date';

CREATE TABLE carrier_contracts (
    contract_id            VARCHAR(50) PRIMARY KEY,
    contract_number        VARCHAR(50) NOT NULL UNIQUE,
    carrier_id             VARCHAR(50) NOT NULL,
    service_id             VARCHAR(50),
    contract_type          VARCHAR(30) NOT NULL CHECK (contract_type IN ('spot', 'volume', 'dedicated', 'framework')),
    contract_status        VARCHAR(30) NOT NULL DEFAULT 'draft' CHECK (contract_status IN ('draft', 'active', 'expired', 'terminated')),
    start_date             DATE NOT NULL,
    end_date               DATE NOT NULL,
    signed_date            DATE,
    committed_shipments    INTEGER CHECK (committed_shipments >= 0),
    committed_spend        DECIMAL(15,2) CHECK (committed_spend >= 0),
    actual_spend           DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (actual_spend >= 0),
    discount_pct           DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (discount_pct BETWEEN 0 AND 100),
    fuel_surcharge_cap_pct DECIMAL(5,2) CHECK (fuel_surcharge_cap_pct BETWEEN 0 AND 100),
    on_time_target_pct     DECIMAL(5,2) CHECK (on_time_target_pct BETWEEN 0 AND 100),
    damage_limit_pct       DECIMAL(5,2) CHECK (damage_limit_pct BETWEEN 0 AND 100),
    penalty_pct            DECIMAL(5,2) CHECK (penalty_pct BETWEEN 0 AND 100),
    liability_limit        DECIMAL(15,2) CHECK (liability_limit >= 0),
    currency               VARCHAR(3) NOT NULL DEFAULT 'INR',
    payment_terms          VARCHAR(50) NOT NULL DEFAULT 'NET30',
    notice_period_days     INTEGER CHECK (notice_period_days >= 0),
    auto_renewal           BOOLEAN NOT NULL DEFAULT false,
    negotiated_by          VARCHAR(50),
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (end_date >= start_date),
    CHECK (contract_status = 'draft' OR signed_date IS NOT NULL)
);
CREATE INDEX carrier_contracts_contract_status_end_date_idx ON carrier_contracts (contract_status, end_date);
COMMENT ON TABLE carrier_contracts IS 'Negotiated agreements with carriers: volume commitments, rebates and service targets';
COMMENT ON COLUMN carrier_contracts.contract_number IS 'CCT-YYYY-0001';
COMMENT ON COLUMN carrier_contracts.service_id IS 'The one service it covers; NULL: all of the carrier';
COMMENT ON COLUMN carrier_contracts.contract_type IS 'dedicated: vehicles reserved; framework: rates without commitment';
COMMENT ON COLUMN carrier_contracts.end_date IS 'Last day';
COMMENT ON COLUMN carrier_contracts.signed_date IS 'NULL: not signed, then never active';
COMMENT ON COLUMN carrier_contracts.committed_shipments IS 'Shipments promised per year; NULL: none';
COMMENT ON COLUMN carrier_contracts.committed_spend IS 'Freight spend promised per year; NULL: none';
COMMENT ON COLUMN carrier_contracts.actual_spend IS 'Freight invoiced since start_date';
COMMENT ON COLUMN carrier_contracts.discount_pct IS 'Off the tariff in carrier_rates';
COMMENT ON COLUMN carrier_contracts.fuel_surcharge_cap_pct IS 'NULL: no cap';
COMMENT ON COLUMN carrier_contracts.on_time_target_pct IS 'Agreed share of deliveries on time';
COMMENT ON COLUMN carrier_contracts.damage_limit_pct IS 'Agreed most of damaged shipments';
COMMENT ON COLUMN carrier_contracts.penalty_pct IS 'Percent of the freight when a target is missed';
COMMENT ON COLUMN carrier_contracts.liability_limit IS 'Per shipment';
COMMENT ON COLUMN carrier_contracts.payment_terms IS 'NET15, NET30, NET45, NET60';

CREATE TABLE carrier_performance_metrics (
    metric_id            VARCHAR(50) PRIMARY KEY,
    carrier_id           VARCHAR(50) NOT NULL,
    period_start         DATE NOT NULL,
    period_end           DATE NOT NULL,
    total_shipments      INTEGER NOT NULL DEFAULT 0 CHECK (total_shipments >= 0),
    delivered_shipments  INTEGER NOT NULL DEFAULT 0 CHECK (delivered_shipments >= 0),
    on_time_shipments    INTEGER NOT NULL DEFAULT 0 CHECK (on_time_shipments >= 0),
    late_shipments       INTEGER NOT NULL DEFAULT 0 CHECK (late_shipments >= 0),
    damaged_shipments    INTEGER NOT NULL DEFAULT 0 CHECK (damaged_shipments >= 0),
    lost_shipments       INTEGER NOT NULL DEFAULT 0 CHECK (lost_shipments >= 0),
    failed_pickups       INTEGER NOT NULL DEFAULT 0 CHECK (failed_pickups >= 0),
    on_time_pct          DECIMAL(5,2) CHECK (on_time_pct BETWEEN 0 AND 100),
    damage_rate_pct      DECIMAL(5,2) CHECK (damage_rate_pct BETWEEN 0 AND 100),
    avg_transit_days     DECIMAL(6,2) CHECK (avg_transit_days >= 0),
    total_weight_kg      DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (total_weight_kg >= 0),
    total_freight_cost   DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (total_freight_cost >= 0),
    cost_per_kg          DECIMAL(15,4),
    currency             VARCHAR(3) NOT NULL DEFAULT 'INR',
    invoice_accuracy_pct DECIMAL(5,2) CHECK (invoice_accuracy_pct BETWEEN 0 AND 100),
    claims_count         INTEGER NOT NULL DEFAULT 0 CHECK (claims_count >= 0),
    performance_score    DECIMAL(5,2) CHECK (performance_score BETWEEN 0 AND 100),
    performance_grade    VARCHAR(1) CHECK (performance_grade IN ('A', 'B', 'C', 'D')),
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (carrier_id, period_start),
    CHECK (period_end >= period_start),
    CHECK (on_time_shipments <= delivered_shipments AND delivered_shipments <= total_shipments)
);
CREATE INDEX carrier_performance_metrics_period_start_idx ON carrier_performance_metrics (period_start);
COMMENT ON TABLE carrier_performance_metrics IS 'Punctuality, damage and cost per carrier and month';
COMMENT ON COLUMN carrier_performance_metrics.period_start IS 'First day of the month';
COMMENT ON COLUMN carrier_performance_metrics.period_end IS 'Last day of the month';
COMMENT ON COLUMN carrier_performance_metrics.total_shipments IS 'Shipments with ship_date in the period';
COMMENT ON COLUMN carrier_performance_metrics.on_time_shipments IS 'Delivered not after estimated_delivery_date';
COMMENT ON COLUMN carrier_performance_metrics.late_shipments IS 'late_shipments = delivered_shipments - on_time_shipments';
COMMENT ON COLUMN carrier_performance_metrics.on_time_pct IS 'on_time_pct = on_time_shipments / delivered_shipments * 100; NULL when none was delivered';
COMMENT ON COLUMN carrier_performance_metrics.damage_rate_pct IS 'damage_rate_pct = damaged_shipments / total_shipments * 100; NULL without shipments';
COMMENT ON COLUMN carrier_performance_metrics.avg_transit_days IS 'Mean of shipments.transit_days';
COMMENT ON COLUMN carrier_performance_metrics.total_freight_cost IS 'Sum of shipments.total_cost';
COMMENT ON COLUMN carrier_performance_metrics.cost_per_kg IS 'cost_per_kg = total_freight_cost / total_weight_kg; NULL without weight';
COMMENT ON COLUMN carrier_performance_metrics.invoice_accuracy_pct IS 'Invoice lines without variance, percent of all';
COMMENT ON COLUMN carrier_performance_metrics.claims_count IS 'Damage and loss claims raised';
COMMENT ON COLUMN carrier_performance_metrics.performance_score IS '0.6 * on_time_pct + 0.25 * (100 - damage_rate_pct) + 0.15 * invoice_accuracy_pct';
COMMENT ON COLUMN carrier_performance_metrics.performance_grade IS 'A from a score of 90, B from 80, C from 70, else D';
