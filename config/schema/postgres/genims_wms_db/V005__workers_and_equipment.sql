-- Who and what does the warehouse work: workers with their skills, trucks and handling devices.
-- A worker is an employee of genims_master_db with a role in one warehouse.

CREATE TABLE warehouse_workers (
    worker_id                VARCHAR(50) PRIMARY KEY,
    worker_code              VARCHAR(50) NOT NULL UNIQUE,
    employee_id              VARCHAR(50),
    first_name               VARCHAR(100),
    last_name                VARCHAR(100),
    warehouse_id             VARCHAR(50) NOT NULL,
    primary_zone_id          VARCHAR(50),
    worker_role              VARCHAR(50),
    forklift_certified       BOOLEAN DEFAULT false,
    hazmat_certified         BOOLEAN DEFAULT false,
    pick_rate_units_per_hour DECIMAL(8,2),
    accuracy_percentage      DECIMAL(5,2),
    current_shift            VARCHAR(20),
    worker_status            VARCHAR(30) DEFAULT 'available',
    current_task_id          VARCHAR(50),
    current_task_type        VARCHAR(50),
    is_active                BOOLEAN DEFAULT true,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX warehouse_workers_warehouse_id_worker_status_idx ON warehouse_workers (warehouse_id, worker_status);
COMMENT ON TABLE warehouse_workers IS 'Warehouse staff: skills, rates and current task';
COMMENT ON COLUMN warehouse_workers.worker_code IS 'Badge number';
COMMENT ON COLUMN warehouse_workers.employee_id IS 'NULL: temporary worker of an agency';
COMMENT ON COLUMN warehouse_workers.worker_role IS 'receiver, putaway_operator, picker, packer, loader, forklift_operator, cycle_counter, supervisor';
COMMENT ON COLUMN warehouse_workers.pick_rate_units_per_hour IS 'Mean of the last 30 days';
COMMENT ON COLUMN warehouse_workers.accuracy_percentage IS 'Tasks without error, percent of all';
COMMENT ON COLUMN warehouse_workers.current_shift IS 'shift_code of genims_master_db.shifts';
COMMENT ON COLUMN warehouse_workers.worker_status IS 'available, busy, on_break, off_shift, absent';
COMMENT ON COLUMN warehouse_workers.current_task_id IS 'Key of the task in the table of current_task_type; NULL: none';
COMMENT ON COLUMN warehouse_workers.current_task_type IS 'receiving, putaway, picking, packing, shipping, cycle_count';

CREATE TABLE warehouse_equipment (
    equipment_id          VARCHAR(50) PRIMARY KEY,
    equipment_code        VARCHAR(50) NOT NULL UNIQUE,
    equipment_name        VARCHAR(200),
    equipment_type        VARCHAR(50),
    warehouse_id          VARCHAR(50) NOT NULL,
    capacity_kg           DECIMAL(10,2),
    max_lift_height_m     DECIMAL(5,2),
    equipment_status      VARCHAR(30) DEFAULT 'available',
    assigned_to           VARCHAR(50),
    last_maintenance_date DATE,
    next_maintenance_date DATE,
    maintenance_hours     INTEGER,
    total_hours           DECIMAL(10,2) DEFAULT 0,
    is_active             BOOLEAN DEFAULT true,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX warehouse_equipment_warehouse_id_equipment_status_idx ON warehouse_equipment (warehouse_id, equipment_status);
COMMENT ON TABLE warehouse_equipment IS 'Trucks, scanners and handling devices';
COMMENT ON COLUMN warehouse_equipment.equipment_code IS 'Painted on the device: FLT-01 ...';
COMMENT ON COLUMN warehouse_equipment.equipment_type IS 'forklift, reach_truck, pallet_jack, order_picker, conveyor, agv, scanner, stretch_wrapper';
COMMENT ON COLUMN warehouse_equipment.capacity_kg IS 'Rated load, kg; NULL: carries nothing';
COMMENT ON COLUMN warehouse_equipment.max_lift_height_m IS 'Metres; NULL: does not lift';
COMMENT ON COLUMN warehouse_equipment.equipment_status IS 'available, in_use, charging, maintenance, out_of_service';
COMMENT ON COLUMN warehouse_equipment.assigned_to IS 'Worker on it now; NULL unless in_use';
COMMENT ON COLUMN warehouse_equipment.maintenance_hours IS 'Operating hours between two services';
COMMENT ON COLUMN warehouse_equipment.total_hours IS 'Operating hours since new';
