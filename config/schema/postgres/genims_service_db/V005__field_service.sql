-- Visits on site: technicians, appointments, after-sales parts and their use.
-- Every amount is in INR; times of day are local to the place of the visit, timestamps are UTC.

CREATE TABLE field_technicians (
    technician_id          VARCHAR(50) PRIMARY KEY,
    employee_id            VARCHAR(50),
    technician_code        VARCHAR(50) NOT NULL UNIQUE,
    first_name             VARCHAR(100) NOT NULL,
    last_name              VARCHAR(100) NOT NULL,
    email                  VARCHAR(100),
    phone                  VARCHAR(50),
    mobile                 VARCHAR(50),
    skill_areas            TEXT,
    certifications         TEXT,
    certification_expiry   JSONB,
    service_territory      VARCHAR(100),
    home_base_location     VARCHAR(200),
    available_for_dispatch BOOLEAN DEFAULT true,
    current_location_gps   POINT,
    last_location_update   TIMESTAMP,
    avg_job_rating         DECIMAL(3,2),
    total_jobs_completed   INTEGER DEFAULT 0,
    technician_status      VARCHAR(30) DEFAULT 'available',
    is_active              BOOLEAN DEFAULT true,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX field_technicians_technician_status_idx ON field_technicians (technician_status);
COMMENT ON TABLE field_technicians IS 'Mobile technicians: skills, certificates and position';
COMMENT ON COLUMN field_technicians.employee_id IS 'NULL: of a service partner';
COMMENT ON COLUMN field_technicians.technician_code IS 'TECH-001 ...';
COMMENT ON COLUMN field_technicians.skill_areas IS 'mechanical, electrical, hydraulics, plc, calibration, software; separated by commas';
COMMENT ON COLUMN field_technicians.certifications IS 'Separated by commas';
COMMENT ON COLUMN field_technicians.certification_expiry IS 'Object of certificate name to date';
COMMENT ON COLUMN field_technicians.service_territory IS 'State or region';
COMMENT ON COLUMN field_technicians.current_location_gps IS '(longitude, latitude), degrees WGS 84';
COMMENT ON COLUMN field_technicians.avg_job_rating IS '1 to 5; NULL: none';
COMMENT ON COLUMN field_technicians.total_jobs_completed IS 'Its appointments that are completed';
COMMENT ON COLUMN field_technicians.technician_status IS 'available, dispatched, on_site, off_duty, on_leave';

CREATE TABLE field_service_appointments (
    appointment_id               VARCHAR(50) PRIMARY KEY,
    appointment_number           VARCHAR(50) NOT NULL UNIQUE,
    account_id                   VARCHAR(50) NOT NULL,
    contact_id                   VARCHAR(50),
    ticket_id                    VARCHAR(50),
    service_type                 VARCHAR(50),
    appointment_date             DATE NOT NULL,
    scheduled_start_time         TIME,
    scheduled_end_time           TIME,
    estimated_duration_minutes   INTEGER,
    appointment_status           VARCHAR(30) DEFAULT 'scheduled',
    assigned_technician_id       VARCHAR(50),
    service_location_address     TEXT,
    service_location_city        VARCHAR(100),
    service_location_state       VARCHAR(100),
    service_location_postal_code VARCHAR(20),
    service_location_gps         POINT,
    checked_in_datetime          TIMESTAMP,
    checked_out_datetime         TIMESTAMP,
    actual_duration_minutes      INTEGER,
    travel_time_minutes          INTEGER,
    travel_distance_km           DECIMAL(10,2),
    work_performed               TEXT,
    parts_used                   TEXT,
    equipment_serial_number      VARCHAR(100),
    asset_id                     VARCHAR(50),
    customer_signature_url       VARCHAR(500),
    customer_signature_datetime  TIMESTAMP,
    follow_up_required           BOOLEAN DEFAULT false,
    follow_up_appointment_id     VARCHAR(50),
    labor_charges                DECIMAL(12,2) DEFAULT 0,
    parts_charges                DECIMAL(12,2) DEFAULT 0,
    travel_charges               DECIMAL(12,2) DEFAULT 0,
    total_charges                DECIMAL(12,2) DEFAULT 0,
    notes                        TEXT,
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX field_service_appointments_appointment_status_appointment_date_idx ON field_service_appointments (appointment_status, appointment_date);
COMMENT ON TABLE field_service_appointments IS 'On-site technician visits: schedule, work done and charges';
COMMENT ON COLUMN field_service_appointments.appointment_number IS 'FSA-YYYY-000001';
COMMENT ON COLUMN field_service_appointments.ticket_id IS 'NULL: preventive visit without ticket';
COMMENT ON COLUMN field_service_appointments.service_type IS 'installation, repair, preventive_maintenance, inspection, calibration, training';
COMMENT ON COLUMN field_service_appointments.scheduled_end_time IS 'scheduled_start_time + estimated_duration_minutes';
COMMENT ON COLUMN field_service_appointments.appointment_status IS 'scheduled, confirmed, dispatched, en_route, in_progress, completed, cancelled, no_show, rescheduled';
COMMENT ON COLUMN field_service_appointments.service_location_gps IS '(longitude, latitude), degrees WGS 84';
COMMENT ON COLUMN field_service_appointments.checked_in_datetime IS 'NULL until the technician is on site';
COMMENT ON COLUMN field_service_appointments.checked_out_datetime IS 'NULL until the technician has left';
COMMENT ON COLUMN field_service_appointments.actual_duration_minutes IS 'checked_out_datetime - checked_in_datetime, minutes';
COMMENT ON COLUMN field_service_appointments.parts_used IS 'Names; the accounts are in service_parts_usage';
COMMENT ON COLUMN field_service_appointments.equipment_serial_number IS 'As warranty_registrations.serial_number';
COMMENT ON COLUMN field_service_appointments.asset_id IS 'Only for visits to machines of the group itself';
COMMENT ON COLUMN field_service_appointments.follow_up_appointment_id IS 'NULL unless follow_up_required';
COMMENT ON COLUMN field_service_appointments.parts_charges IS 'Sum over service_parts_usage of quantity_used * service_parts.service_price; 0 under warranty';
COMMENT ON COLUMN field_service_appointments.total_charges IS 'total_charges = labor_charges + parts_charges + travel_charges';

CREATE TABLE service_parts (
    service_part_id                VARCHAR(50) PRIMARY KEY,
    part_number                    VARCHAR(100) NOT NULL UNIQUE,
    part_name                      VARCHAR(200) NOT NULL,
    part_category                  VARCHAR(50),
    part_type                      VARCHAR(50),
    description                    TEXT,
    manufacturer                   VARCHAR(200),
    manufacturer_part_number       VARCHAR(100),
    compatible_products            TEXT,
    compatible_models              TEXT,
    unit_of_measure                VARCHAR(20),
    current_stock                  DECIMAL(15,4) DEFAULT 0,
    min_stock_level                DECIMAL(15,4),
    reorder_point                  DECIMAL(15,4),
    warehouse_locations            TEXT,
    stock_allocated_to_technicians DECIMAL(15,4) DEFAULT 0,
    standard_cost                  DECIMAL(12,4),
    service_price                  DECIMAL(12,4),
    annual_usage_quantity          DECIMAL(15,4),
    last_used_date                 DATE,
    is_obsolete                    BOOLEAN DEFAULT false,
    replacement_part_id            VARCHAR(50),
    is_active                      BOOLEAN DEFAULT true,
    created_at                     TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE service_parts IS 'After-sales part stock';
COMMENT ON COLUMN service_parts.part_number IS 'Own number; material_code of genims_erp_db.materials where the part is also a material';
COMMENT ON COLUMN service_parts.part_category IS 'mechanical, electrical, hydraulic, pneumatic, electronic, consumable';
COMMENT ON COLUMN service_parts.part_type IS 'original, aftermarket, refurbished';
COMMENT ON COLUMN service_parts.compatible_products IS 'Separated by commas, as compatible_models and warehouse_locations';
COMMENT ON COLUMN service_parts.current_stock IS 'In warehouses and with technicians';
COMMENT ON COLUMN service_parts.min_stock_level IS 'At most reorder_point';
COMMENT ON COLUMN service_parts.reorder_point IS 'At or below it a new order is due';
COMMENT ON COLUMN service_parts.stock_allocated_to_technicians IS 'Part of current_stock that lies in service vans';
COMMENT ON COLUMN service_parts.standard_cost IS 'Per unit_of_measure';
COMMENT ON COLUMN service_parts.service_price IS 'Price to the customer per unit_of_measure';
COMMENT ON COLUMN service_parts.annual_usage_quantity IS 'Sum of service_parts_usage.quantity_used in twelve months';
COMMENT ON COLUMN service_parts.replacement_part_id IS 'Successor; NULL unless is_obsolete';

CREATE TABLE service_parts_usage (
    usage_id              VARCHAR(50) PRIMARY KEY,
    service_part_id       VARCHAR(50) NOT NULL,
    quantity_used         DECIMAL(15,4),
    unit_of_measure       VARCHAR(20),
    unit_cost             DECIMAL(12,4),
    total_cost            DECIMAL(15,2),
    usage_type            VARCHAR(30),
    ticket_id             VARCHAR(50),
    appointment_id        VARCHAR(50),
    warranty_claim_id     VARCHAR(50),
    used_by_technician_id VARCHAR(50),
    usage_date            DATE,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX service_parts_usage_usage_date_idx ON service_parts_usage (usage_date);
COMMENT ON TABLE service_parts_usage IS 'Parts consumed in visits, tickets or claims';
COMMENT ON COLUMN service_parts_usage.unit_cost IS 'service_parts.standard_cost on the day';
COMMENT ON COLUMN service_parts_usage.total_cost IS 'total_cost = quantity_used * unit_cost';
COMMENT ON COLUMN service_parts_usage.usage_type IS 'warranty, billable, goodwill, internal';
COMMENT ON COLUMN service_parts_usage.appointment_id IS 'NULL: part sent without a visit';
COMMENT ON COLUMN service_parts_usage.warranty_claim_id IS 'NULL unless usage_type is warranty';
