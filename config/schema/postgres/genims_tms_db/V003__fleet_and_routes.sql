-- The own and leased fleet: vehicles, drivers, tours with their stops, and how each vehicle is filled.
-- A driver is an employee of genims_master_db, or of a carrier.

CREATE TABLE vehicles (
    vehicle_id              VARCHAR(50) PRIMARY KEY,
    vehicle_code            VARCHAR(50) NOT NULL UNIQUE,
    registration_number     VARCHAR(20) NOT NULL UNIQUE,
    vehicle_type            VARCHAR(30) NOT NULL CHECK (vehicle_type IN ('van', 'truck', 'trailer', 'reefer', 'tanker', 'container')),
    make                    VARCHAR(100) NOT NULL,
    model                   VARCHAR(100),
    model_year              INTEGER CHECK (model_year BETWEEN 1980 AND 2100),
    ownership_type          VARCHAR(20) NOT NULL CHECK (ownership_type IN ('owned', 'leased', 'carrier')),
    carrier_id              VARCHAR(50),
    home_warehouse_id       VARCHAR(50),
    capacity_kg             DECIMAL(10,2) NOT NULL CHECK (capacity_kg > 0),
    capacity_m3             DECIMAL(10,4) NOT NULL CHECK (capacity_m3 > 0),
    pallet_positions        INTEGER NOT NULL DEFAULT 0 CHECK (pallet_positions >= 0),
    temperature_controlled  BOOLEAN NOT NULL DEFAULT false,
    hazmat_approved         BOOLEAN NOT NULL DEFAULT false,
    fuel_type               VARCHAR(20) NOT NULL CHECK (fuel_type IN ('diesel', 'petrol', 'cng', 'electric', 'hybrid', 'none')),
    odometer_km             DECIMAL(12,2) NOT NULL DEFAULT 0 CHECK (odometer_km >= 0),
    consumption_l_per_100km DECIMAL(6,2) CHECK (consumption_l_per_100km >= 0),
    cost_per_km             DECIMAL(10,4) CHECK (cost_per_km >= 0),
    currency                VARCHAR(3) NOT NULL DEFAULT 'INR',
    insurance_expiry_date   DATE,
    fitness_expiry_date     DATE,
    last_service_date       DATE,
    next_service_date       DATE,
    gps_device_number       VARCHAR(50),
    vehicle_status          VARCHAR(30) NOT NULL DEFAULT 'available' CHECK (vehicle_status IN ('available', 'on_route', 'maintenance', 'out_of_service', 'retired')),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (next_service_date IS NULL OR last_service_date IS NULL OR next_service_date > last_service_date),
    CHECK (ownership_type <> 'carrier' OR carrier_id IS NOT NULL)
);
CREATE INDEX vehicles_vehicle_status_idx ON vehicles (vehicle_status);
COMMENT ON TABLE vehicles IS 'Own and leased fleet: capacity, papers and running figures';
COMMENT ON COLUMN vehicles.vehicle_id IS 'VEH-01 ...; what routes.vehicle_id refers to';
COMMENT ON COLUMN vehicles.registration_number IS 'Number plate';
COMMENT ON COLUMN vehicles.carrier_id IS 'Owner when ownership_type is carrier, else NULL';
COMMENT ON COLUMN vehicles.fuel_type IS 'none: trailer or container';
COMMENT ON COLUMN vehicles.consumption_l_per_100km IS 'Litres per 100 km; kWh when electric; NULL without an engine';
COMMENT ON COLUMN vehicles.cost_per_km IS 'Full cost without driver';
COMMENT ON COLUMN vehicles.fitness_expiry_date IS 'Roadworthiness certificate';
COMMENT ON COLUMN vehicles.gps_device_number IS 'NULL: not tracked';

CREATE TABLE drivers (
    driver_id                 VARCHAR(50) PRIMARY KEY,
    driver_code               VARCHAR(50) NOT NULL UNIQUE,
    employee_id               VARCHAR(50),
    carrier_id                VARCHAR(50),
    first_name                VARCHAR(100) NOT NULL,
    last_name                 VARCHAR(100) NOT NULL,
    phone                     VARCHAR(50) NOT NULL,
    license_number            VARCHAR(50) NOT NULL UNIQUE,
    license_class             VARCHAR(20) NOT NULL CHECK (license_class IN ('LMV', 'MGV', 'HGV', 'HGV_TRAILER')),
    license_issue_date        DATE,
    license_expiry_date       DATE NOT NULL,
    hazmat_certified          BOOLEAN NOT NULL DEFAULT false,
    medical_expiry_date       DATE,
    home_warehouse_id         VARCHAR(50),
    assigned_vehicle_id       VARCHAR(50),
    max_driving_hours_per_day DECIMAL(4,2) NOT NULL DEFAULT 8 CHECK (max_driving_hours_per_day > 0 AND max_driving_hours_per_day <= 24),
    total_distance_km         DECIMAL(12,2) NOT NULL DEFAULT 0 CHECK (total_distance_km >= 0),
    total_deliveries          INTEGER NOT NULL DEFAULT 0 CHECK (total_deliveries >= 0),
    on_time_pct               DECIMAL(5,2) CHECK (on_time_pct BETWEEN 0 AND 100),
    safety_incidents          INTEGER NOT NULL DEFAULT 0 CHECK (safety_incidents >= 0),
    driver_rating             DECIMAL(3,2) CHECK (driver_rating BETWEEN 0 AND 5),
    driver_status             VARCHAR(30) NOT NULL DEFAULT 'available' CHECK (driver_status IN ('available', 'on_route', 'off_duty', 'on_leave', 'suspended', 'inactive')),
    hire_date                 DATE,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (employee_id IS NOT NULL OR carrier_id IS NOT NULL),
    CHECK (license_issue_date IS NULL OR license_expiry_date > license_issue_date)
);
CREATE INDEX drivers_driver_status_idx ON drivers (driver_status);
CREATE INDEX drivers_employee_id_idx ON drivers (employee_id);
COMMENT ON TABLE drivers IS 'Drivers: licences, assignment and safety record';
COMMENT ON COLUMN drivers.employee_id IS 'NULL: driver of a carrier; routes.driver_id holds this employee';
COMMENT ON COLUMN drivers.carrier_id IS 'Employer when employee_id is NULL';
COMMENT ON COLUMN drivers.license_class IS 'Light, medium, heavy goods vehicle, heavy with trailer';
COMMENT ON COLUMN drivers.license_expiry_date IS 'An expired licence goes with no new route';
COMMENT ON COLUMN drivers.assigned_vehicle_id IS 'Usual vehicle; NULL: none';
COMMENT ON COLUMN drivers.total_distance_km IS 'On completed routes';
COMMENT ON COLUMN drivers.on_time_pct IS 'Stops reached not after planned_arrival_time, percent; NULL: no stop yet';
COMMENT ON COLUMN drivers.driver_rating IS '0.00 to 5.00';

CREATE TABLE routes (
    route_id               VARCHAR(50) PRIMARY KEY,
    route_number           VARCHAR(50) NOT NULL UNIQUE,
    route_date             DATE NOT NULL,
    planned_start_time     TIME,
    planned_end_time       TIME,
    actual_start_time      TIME,
    actual_end_time        TIME,
    carrier_id             VARCHAR(50),
    vehicle_id             VARCHAR(50),
    driver_id              VARCHAR(50),
    origin_warehouse_id    VARCHAR(50),
    route_type             VARCHAR(50),
    optimization_type      VARCHAR(50),
    total_distance_km      DECIMAL(10,2),
    total_duration_minutes INTEGER,
    number_of_stops        INTEGER,
    completed_stops        INTEGER DEFAULT 0,
    total_weight_kg        DECIMAL(10,2),
    total_volume_m3        DECIMAL(10,4),
    vehicle_capacity_kg    DECIMAL(10,2),
    vehicle_capacity_m3    DECIMAL(10,4),
    route_status           VARCHAR(30) DEFAULT 'planned',
    estimated_cost         DECIMAL(15,2),
    actual_cost            DECIMAL(15,2),
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX routes_route_date_route_status_idx ON routes (route_date, route_status);
COMMENT ON TABLE routes IS 'Planned vehicle tours';
COMMENT ON COLUMN routes.route_number IS 'RT-YYYY-000001';
COMMENT ON COLUMN routes.planned_start_time IS 'Local time of the origin warehouse, as are the other three';
COMMENT ON COLUMN routes.carrier_id IS 'NULL: own fleet';
COMMENT ON COLUMN routes.driver_id IS 'Employee who drives; NULL: driver of the carrier';
COMMENT ON COLUMN routes.route_type IS 'delivery, pickup, mixed, linehaul, shuttle';
COMMENT ON COLUMN routes.optimization_type IS 'distance, time, cost, manual';
COMMENT ON COLUMN routes.total_distance_km IS 'All legs, back to the origin included';
COMMENT ON COLUMN routes.number_of_stops IS 'Number of its route_stops';
COMMENT ON COLUMN routes.completed_stops IS 'Its route_stops of which stop_status is completed';
COMMENT ON COLUMN routes.total_weight_kg IS 'Sum of route_stops.weight_kg; at most vehicle_capacity_kg';
COMMENT ON COLUMN routes.vehicle_capacity_kg IS 'Copy of vehicles.capacity_kg at planning';
COMMENT ON COLUMN routes.vehicle_capacity_m3 IS 'Copy of vehicles.capacity_m3 at planning';
COMMENT ON COLUMN routes.route_status IS 'planned, dispatched, in_progress, completed, cancelled';
COMMENT ON COLUMN routes.estimated_cost IS 'INR';
COMMENT ON COLUMN routes.actual_cost IS 'INR; NULL until completed';

CREATE TABLE route_stops (
    stop_id                VARCHAR(50) PRIMARY KEY,
    route_id               VARCHAR(50) NOT NULL,
    stop_sequence          INTEGER NOT NULL,
    stop_type              VARCHAR(30),
    shipment_id            VARCHAR(50),
    sales_order_id         VARCHAR(50),
    stop_name              VARCHAR(200),
    address_line1          VARCHAR(200),
    address_line2          VARCHAR(200),
    city                   VARCHAR(100),
    state                  VARCHAR(100),
    postal_code            VARCHAR(20),
    latitude               DECIMAL(10,7),
    longitude              DECIMAL(10,7),
    contact_name           VARCHAR(100),
    contact_phone          VARCHAR(50),
    planned_arrival_time   TIME,
    planned_departure_time TIME,
    actual_arrival_time    TIME,
    actual_departure_time  TIME,
    service_time_minutes   INTEGER,
    packages_to_deliver    INTEGER,
    packages_delivered     INTEGER,
    weight_kg              DECIMAL(10,2),
    stop_status            VARCHAR(30) DEFAULT 'pending',
    signature              VARCHAR(200),
    delivered_to           VARCHAR(200),
    photo_url              VARCHAR(500),
    notes                  TEXT,
    geofence_radius_m      INTEGER DEFAULT 100,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX route_stops_route_id_stop_sequence_idx ON route_stops (route_id, stop_sequence);
COMMENT ON TABLE route_stops IS 'Ordered stops of a tour';
COMMENT ON COLUMN route_stops.stop_sequence IS 'From 1 in the route';
COMMENT ON COLUMN route_stops.stop_type IS 'delivery, pickup, return, break, fuel';
COMMENT ON COLUMN route_stops.shipment_id IS 'NULL for break and fuel';
COMMENT ON COLUMN route_stops.latitude IS 'Degrees, WGS 84';
COMMENT ON COLUMN route_stops.longitude IS 'Degrees, WGS 84';
COMMENT ON COLUMN route_stops.planned_arrival_time IS 'Local time';
COMMENT ON COLUMN route_stops.service_time_minutes IS 'Planned stay';
COMMENT ON COLUMN route_stops.packages_delivered IS 'At most packages_to_deliver; NULL until done';
COMMENT ON COLUMN route_stops.weight_kg IS 'Weight handed over here';
COMMENT ON COLUMN route_stops.stop_status IS 'pending, en_route, arrived, completed, failed, skipped';
COMMENT ON COLUMN route_stops.geofence_radius_m IS 'Metres; closer than that counts as arrived';

CREATE TABLE load_planning (
    load_plan_id        VARCHAR(50) PRIMARY KEY,
    load_number         VARCHAR(50) NOT NULL,
    shipment_id         VARCHAR(50) NOT NULL,
    vehicle_id          VARCHAR(50),
    route_id            VARCHAR(50),
    warehouse_id        VARCHAR(50) NOT NULL,
    planned_load_date   DATE NOT NULL,
    dock_door           VARCHAR(20),
    loading_sequence    INTEGER NOT NULL CHECK (loading_sequence > 0),
    load_position       VARCHAR(20) NOT NULL DEFAULT 'middle' CHECK (load_position IN ('front', 'middle', 'rear')),
    planned_packages    INTEGER NOT NULL CHECK (planned_packages >= 0),
    planned_pallets     INTEGER NOT NULL DEFAULT 0 CHECK (planned_pallets >= 0),
    planned_weight_kg   DECIMAL(10,2) NOT NULL CHECK (planned_weight_kg >= 0),
    planned_volume_m3   DECIMAL(10,4) NOT NULL CHECK (planned_volume_m3 >= 0),
    vehicle_capacity_kg DECIMAL(10,2) NOT NULL CHECK (vehicle_capacity_kg > 0),
    vehicle_capacity_m3 DECIMAL(10,4) NOT NULL CHECK (vehicle_capacity_m3 > 0),
    weight_share_pct    DECIMAL(5,2) NOT NULL CHECK (weight_share_pct BETWEEN 0 AND 100),
    volume_share_pct    DECIMAL(5,2) NOT NULL CHECK (volume_share_pct BETWEEN 0 AND 100),
    stackable           BOOLEAN NOT NULL DEFAULT true,
    hazmat              BOOLEAN NOT NULL DEFAULT false,
    plan_status         VARCHAR(30) NOT NULL DEFAULT 'draft' CHECK (plan_status IN ('draft', 'confirmed', 'loading', 'loaded', 'departed', 'cancelled')),
    planned_by          VARCHAR(50),
    loaded_at           TIMESTAMP,
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (load_number, shipment_id),
    CHECK (planned_weight_kg <= vehicle_capacity_kg AND planned_volume_m3 <= vehicle_capacity_m3)
);
CREATE INDEX load_planning_plan_status_planned_load_date_idx ON load_planning (plan_status, planned_load_date);
COMMENT ON TABLE load_planning IS 'Vehicle fill plans: one row per consignment in a load';
COMMENT ON COLUMN load_planning.load_number IS 'LOAD-YYYY-000001; the same in every row of one load';
COMMENT ON COLUMN load_planning.vehicle_id IS 'NULL: vehicle of the carrier';
COMMENT ON COLUMN load_planning.warehouse_id IS 'Where it is loaded';
COMMENT ON COLUMN load_planning.dock_door IS 'DOCK-01 ...';
COMMENT ON COLUMN load_planning.loading_sequence IS '1 is loaded first, so delivered last';
COMMENT ON COLUMN load_planning.planned_weight_kg IS 'shipments.total_weight_kg';
COMMENT ON COLUMN load_planning.planned_volume_m3 IS 'shipments.total_volume_m3';
COMMENT ON COLUMN load_planning.vehicle_capacity_kg IS 'At planning';
COMMENT ON COLUMN load_planning.vehicle_capacity_m3 IS 'At planning';
COMMENT ON COLUMN load_planning.weight_share_pct IS 'weight_share_pct = planned_weight_kg / vehicle_capacity_kg * 100; the rows of a load add up to at most 100';
COMMENT ON COLUMN load_planning.volume_share_pct IS 'volume_share_pct = planned_volume_m3 / vehicle_capacity_m3 * 100; the rows of a load add up to at most 100';
COMMENT ON COLUMN load_planning.loaded_at IS 'NULL until loaded';
