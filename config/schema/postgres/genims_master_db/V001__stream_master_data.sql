-- The part of the master data that the stream reads. Names, types, order, nullability and defaults are the contract with
-- existing clients. Foreign keys stand where the reference is real: master data is loaded in this order.

CREATE TABLE factories (
    factory_id        VARCHAR(50) PRIMARY KEY,
    factory_name      VARCHAR(200) NOT NULL,
    country           VARCHAR(100) NOT NULL,
    city              VARCHAR(100) NOT NULL,
    region            VARCHAR(100),
    timezone          VARCHAR(50),
    total_area_sqm    INTEGER,
    operational_since DATE,
    factory_type      VARCHAR(50),
    certification     VARCHAR(200),
    status            VARCHAR(20) DEFAULT 'active',
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE factories IS 'Plants: site, locality, time zone and floor area';
COMMENT ON COLUMN factories.factory_id IS 'FAC-01 ...; what every row of the group that belongs to a plant refers to';
COMMENT ON COLUMN factories.timezone IS 'IANA name; shift times are local to it, every timestamp of the platform is UTC';
COMMENT ON COLUMN factories.total_area_sqm IS 'Floor area, square metres';
COMMENT ON COLUMN factories.certification IS 'Management system standards held, separated by commas';
COMMENT ON COLUMN factories.status IS 'active, or anything else for a plant that is not';

CREATE TABLE production_lines (
    line_id                           VARCHAR(50) PRIMARY KEY,
    factory_id                        VARCHAR(50) NOT NULL REFERENCES factories (factory_id),
    line_name                         VARCHAR(200) NOT NULL,
    line_number                       INTEGER,
    product_category                  VARCHAR(100),
    line_type                         VARCHAR(50),
    design_capacity_units_per_hour    INTEGER,
    installed_capacity_units_per_hour INTEGER,
    line_length_meters                DECIMAL(10,2),
    num_stations                      INTEGER,
    automation_level                  VARCHAR(50),
    commissioning_date                DATE,
    status                            VARCHAR(20) DEFAULT 'active',
    created_at                        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX production_lines_factory_id_idx ON production_lines (factory_id);
COMMENT ON TABLE production_lines IS 'Manufacturing lines of each plant with rated throughput';
COMMENT ON COLUMN production_lines.line_number IS 'Number within the plant, from 1';
COMMENT ON COLUMN production_lines.design_capacity_units_per_hour IS 'What the line was designed for';
COMMENT ON COLUMN production_lines.installed_capacity_units_per_hour IS 'What its slowest station allows';
COMMENT ON COLUMN production_lines.line_length_meters IS 'Metres';
COMMENT ON COLUMN production_lines.automation_level IS 'manual, semi-automatic, automatic';

CREATE TABLE machines (
    machine_id                     VARCHAR(50) PRIMARY KEY,
    line_id                        VARCHAR(50) NOT NULL REFERENCES production_lines (line_id),
    factory_id                     VARCHAR(50) NOT NULL REFERENCES factories (factory_id),
    machine_name                   VARCHAR(200) NOT NULL,
    machine_code                   VARCHAR(50),
    machine_type                   VARCHAR(100),
    manufacturer                   VARCHAR(100),
    model_number                   VARCHAR(100),
    serial_number                  VARCHAR(100),
    installation_date              DATE,
    last_major_overhaul            DATE,
    design_capacity_units_per_hour INTEGER,
    power_rating_kw                DECIMAL(10,2),
    maintenance_schedule           VARCHAR(50),
    criticality                    VARCHAR(20),
    asset_value_usd                DECIMAL(15,2),
    expected_life_years            INTEGER,
    current_age_years              DECIMAL(5,2),
    status                         VARCHAR(20) DEFAULT 'active',
    created_at                     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX machines_line_id_idx ON machines (line_id);
CREATE INDEX machines_factory_id_idx ON machines (factory_id);
COMMENT ON TABLE machines IS 'Machines: line, type, criticality and book value';
COMMENT ON COLUMN machines.machine_id IS 'MCH-0001 ...; as in topics and in the operations tables';
COMMENT ON COLUMN machines.machine_code IS 'Short name on the shop floor';
COMMENT ON COLUMN machines.design_capacity_units_per_hour IS 'Rated output; the ideal cycle of the OEE performance factor';
COMMENT ON COLUMN machines.power_rating_kw IS 'Rated electrical power, kW';
COMMENT ON COLUMN machines.maintenance_schedule IS 'weekly, monthly, quarterly, yearly';
COMMENT ON COLUMN machines.criticality IS 'low, medium, high, critical: what a standstill does to the line';
COMMENT ON COLUMN machines.asset_value_usd IS 'Book value at installation, US dollars';
COMMENT ON COLUMN machines.current_age_years IS 'Age when the row was written';

CREATE TABLE sensors (
    sensor_id                  VARCHAR(50) PRIMARY KEY,
    machine_id                 VARCHAR(50) NOT NULL REFERENCES machines (machine_id),
    line_id                    VARCHAR(50) NOT NULL REFERENCES production_lines (line_id),
    factory_id                 VARCHAR(50) NOT NULL REFERENCES factories (factory_id),
    sensor_name                VARCHAR(200) NOT NULL,
    sensor_code                VARCHAR(50),
    sensor_type                VARCHAR(100),
    measurement_unit           VARCHAR(50),
    measurement_range_min      DECIMAL(15,4),
    measurement_range_max      DECIMAL(15,4),
    normal_operating_min       DECIMAL(15,4),
    normal_operating_max       DECIMAL(15,4),
    warning_threshold_min      DECIMAL(15,4),
    warning_threshold_max      DECIMAL(15,4),
    critical_threshold_min     DECIMAL(15,4),
    critical_threshold_max     DECIMAL(15,4),
    sampling_frequency_hz      DECIMAL(10,2),
    data_protocol              VARCHAR(50),
    manufacturer               VARCHAR(100),
    model_number               VARCHAR(100),
    calibration_date           DATE,
    calibration_frequency_days INTEGER,
    accuracy_percentage        DECIMAL(5,2),
    status                     VARCHAR(20) DEFAULT 'active',
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
-- A topic may name a sensor by its code on a machine; the same index serves the foreign key. It is not unique, because
-- existing clients may write what the contract allows.
CREATE INDEX sensors_machine_id_sensor_code_idx ON sensors (machine_id, sensor_code);
CREATE INDEX sensors_line_id_idx ON sensors (line_id);
CREATE INDEX sensors_factory_id_idx ON sensors (factory_id);
COMMENT ON TABLE sensors IS 'Sensor points with units, ranges and alarm thresholds';
COMMENT ON COLUMN sensors.sensor_id IS 'SEN-000001 ...; unique in the group';
COMMENT ON COLUMN sensors.line_id IS 'Line of its machine, kept here so that one look-up resolves the whole place';
COMMENT ON COLUMN sensors.factory_id IS 'Plant of its machine, kept here for the same reason';
COMMENT ON COLUMN sensors.sensor_code IS 'Short name, unique on its machine: TEMP-1';
COMMENT ON COLUMN sensors.sensor_type IS 'temperature, vibration, pressure, electrical_current, flow, rotational_speed, torque, position, humidity, power ...';
COMMENT ON COLUMN sensors.measurement_unit IS 'Unit of every value of this sensor: C, mm/s, bar, A, l/min, rpm, Nm, mm, %, kW ...';
COMMENT ON COLUMN sensors.measurement_range_min IS 'Lowest value that the device can deliver';
COMMENT ON COLUMN sensors.measurement_range_max IS 'Highest value that the device can deliver; values outside are readings of doubtful quality';
COMMENT ON COLUMN sensors.normal_operating_min IS 'Lower end of the band seen in good operation';
COMMENT ON COLUMN sensors.normal_operating_max IS 'Upper end of the band seen in good operation';
COMMENT ON COLUMN sensors.warning_threshold_min IS 'A value below is a warning; empty: no lower limit';
COMMENT ON COLUMN sensors.warning_threshold_max IS 'A value above is a warning; empty: no upper limit';
COMMENT ON COLUMN sensors.critical_threshold_min IS 'A value below opens a fault; empty: no lower limit';
COMMENT ON COLUMN sensors.critical_threshold_max IS 'A value above opens a fault; empty: no upper limit';
COMMENT ON COLUMN sensors.sampling_frequency_hz IS 'Readings per second when all is well; silence is judged by it';
COMMENT ON COLUMN sensors.data_protocol IS 'How it reaches the platform: mqtt, opc-ua, modbus ...';
COMMENT ON COLUMN sensors.calibration_frequency_days IS 'Days from one calibration to the next';
COMMENT ON COLUMN sensors.accuracy_percentage IS 'Of the measured value';
COMMENT ON COLUMN sensors.status IS 'active sensors are accepted by the stream, others are not';

CREATE TABLE shifts (
    shift_id               VARCHAR(50) PRIMARY KEY,
    factory_id             VARCHAR(50) NOT NULL REFERENCES factories (factory_id),
    shift_name             VARCHAR(50),
    shift_code             VARCHAR(20),
    start_time             TIME,
    end_time               TIME,
    duration_hours         DECIMAL(4,2),
    shift_type             VARCHAR(50),
    break_duration_minutes INTEGER,
    days_of_week           VARCHAR(100),
    status                 VARCHAR(20) DEFAULT 'active',
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX shifts_factory_id_idx ON shifts (factory_id);
COMMENT ON TABLE shifts IS 'Working shifts of each plant';
COMMENT ON COLUMN shifts.start_time IS 'Local time of the plant (factories.timezone)';
COMMENT ON COLUMN shifts.end_time IS 'Local time; not after start_time: the shift ends on the next day';
COMMENT ON COLUMN shifts.duration_hours IS 'From start to end, breaks included';
COMMENT ON COLUMN shifts.days_of_week IS 'Days on which the shift starts: Mon,Tue,Wed ...';

CREATE TABLE employees (
    employee_id      VARCHAR(50) PRIMARY KEY,
    factory_id       VARCHAR(50) NOT NULL REFERENCES factories (factory_id),
    line_id          VARCHAR(50) REFERENCES production_lines (line_id),
    employee_code    VARCHAR(50),
    first_name       VARCHAR(100),
    last_name        VARCHAR(100),
    email            VARCHAR(200),
    phone            VARCHAR(50),
    role             VARCHAR(100),
    department       VARCHAR(100),
    skill_level      VARCHAR(50),
    shift            VARCHAR(20),
    hire_date        DATE,
    experience_years DECIMAL(5,2),
    certifications   VARCHAR(500),
    status           VARCHAR(20) DEFAULT 'active',
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX employees_factory_id_idx ON employees (factory_id);
CREATE INDEX employees_line_id_idx ON employees (line_id);
COMMENT ON TABLE employees IS 'Shop-floor staff, referred to by every other module';
COMMENT ON COLUMN employees.line_id IS 'Empty for staff of the whole plant';
COMMENT ON COLUMN employees.shift IS 'Shift code of the plant: A, B, C';
COMMENT ON COLUMN employees.skill_level IS 'trainee, skilled, senior, expert';
COMMENT ON COLUMN employees.experience_years IS 'When the row was written';
COMMENT ON COLUMN employees.certifications IS 'Separated by commas';

CREATE TABLE products (
    product_id                  VARCHAR(50) PRIMARY KEY,
    product_code                VARCHAR(50),
    product_name                VARCHAR(200) NOT NULL,
    product_category            VARCHAR(100),
    product_type                VARCHAR(100),
    description                 TEXT,
    bill_of_material_complexity VARCHAR(50),
    number_of_components        INTEGER,
    standard_cycle_time_seconds INTEGER,
    target_quality_ppm          INTEGER,
    unit_weight_kg              DECIMAL(10,3),
    material_type               VARCHAR(100),
    status                      VARCHAR(20) DEFAULT 'active',
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE products IS 'Saleable parts with cycle time and quality target';
COMMENT ON COLUMN products.bill_of_material_complexity IS 'low, medium, high';
COMMENT ON COLUMN products.standard_cycle_time_seconds IS 'Seconds for one unit on its primary line';
COMMENT ON COLUMN products.target_quality_ppm IS 'Defective parts per million not to be exceeded';
COMMENT ON COLUMN products.unit_weight_kg IS 'Kilograms';

CREATE TABLE customers (
    customer_id                     VARCHAR(50) PRIMARY KEY,
    customer_code                   VARCHAR(50),
    customer_name                   VARCHAR(200) NOT NULL,
    customer_type                   VARCHAR(50),
    country                         VARCHAR(100),
    region                          VARCHAR(100),
    industry_segment                VARCHAR(100),
    annual_volume_estimate          INTEGER,
    quality_rating                  VARCHAR(20),
    payment_terms_days              INTEGER,
    sla_on_time_delivery_percentage DECIMAL(5,2),
    sla_quality_ppm_max             INTEGER,
    status                          VARCHAR(20) DEFAULT 'active',
    created_at                      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE customers IS 'Buyers with service-level targets';
COMMENT ON COLUMN customers.annual_volume_estimate IS 'Units per year';
COMMENT ON COLUMN customers.payment_terms_days IS 'Days from invoice to payment';
COMMENT ON COLUMN customers.sla_on_time_delivery_percentage IS 'Share of deliveries that must be on time';
COMMENT ON COLUMN customers.sla_quality_ppm_max IS 'Defective parts per million that the customer accepts';
