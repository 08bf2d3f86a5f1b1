//! What the story's databases hold before it begins: the order that the machine makes, who waits for it, who works at it, what is measured.

use crate::harness::write_env;
use crate::server::{Plant, Sensor};
use std::fs;

const WRITER_PASSWORD: &str = "story-writer-secret";

/// From now on the audit trail is reached by the account that may only insert.
pub(super) fn only_insert_into_the_trail(plant: &Plant) {
    let file = plant.folder.join(".env");
    let password = format!("GENIMS_AUDIT_WRITER_PASSWORD='{WRITER_PASSWORD}'\n");
    let environment = fs::read_to_string(&file).unwrap() + &password;
    write_env(&file, &environment);
    plant.cli_ok(&["provision", "--only", "audit"]);
    let url = plant.stack.mysql_url("genims_audit_db");
    let (_, place) = url.rsplit_once('@').unwrap();
    let writer = format!("GENIMS_AUDIT_DB_URL='mysql://genims_audit_writer:{WRITER_PASSWORD}@{place}'\n");
    write_env(&file, environment + &writer);
}

/// Another sensor of the same machine.
pub(super) fn beside(plant: &Plant, sensor: &Sensor) -> Sensor {
    let query = format!(
        "SELECT sensor_id, sensor_code FROM sensors WHERE machine_id = '{}' AND sensor_id <> '{}' ORDER BY sensor_id DESC LIMIT 1",
        sensor.machine_id, sensor.sensor_id
    );
    let row = &plant.query("genims_master_db", &query)[0];
    Sensor { sensor_id: row.get(0), sensor_code: row.get(1), ..sensor.clone() }
}

/// Limits that the test knows.
pub(super) fn limit(plant: &Plant, sensor: &Sensor, critical: f64, more: &str) {
    plant.execute(
        "genims_master_db",
        &format!(
            "UPDATE sensors SET measurement_range_min = 0, measurement_range_max = 200, warning_threshold_min = NULL, \
             critical_threshold_min = NULL, critical_threshold_max = {critical}, {more} \
             WHERE sensor_id = '{}'",
            sensor.sensor_id
        ),
    );
}

/// The customer's order that the machine makes, in every module that knows of it.
pub(super) fn order(plant: &Plant, machine: &Sensor) {
    let (id, plant_id) = (&machine.machine_id, &machine.factory_id);
    plant.execute(
        "genims_manufacturing_db",
        &format!(
            "UPDATE work_orders SET customer_id = 'CUS-1', sales_order_number = 'SO-NO-1', erp_order_id = 'PO-1' \
             WHERE work_order_id = 'W-{id}'"
        ),
    );
    plant.execute(
        "genims_erp_db",
        &format!(
            "INSERT INTO units_of_measure (unit_code, unit_name, unit_symbol, dimension, base_unit_code, is_base_unit) \
             VALUES ('EA', 'Each', 'ea', 'count', 'EA', true), ('KWH', 'Kilowatt hour', 'kWh', 'energy', 'KWH', true), ('H', 'Hour', 'h', 'time', 'H', true); \
             INSERT INTO suppliers (supplier_id, supplier_code, supplier_name) VALUES ('SUP-1', 'SUP-1', 'Castings'); \
             INSERT INTO materials (material_id, material_code, material_name, material_type, base_unit_of_measure, \
             moving_average_cost, default_supplier_id) VALUES ('MAT-1', 'MAT-1', 'Pump', 'finished_good', 'EA', 12.5, NULL), \
             ('MAT-2', 'MAT-2', 'Casting', 'component', 'EA', 3, 'SUP-1'); \
             INSERT INTO inventory_locations (inventory_location_id, plant_id, location_code, location_name, location_type) \
             VALUES ('IL-1', '{plant_id}', 'WIP1', 'Work in progress', 'work_in_progress'); \
             INSERT INTO sales_orders (sales_order_id, sales_order_number, customer_id, order_date, order_status) \
             VALUES ('SO-1', 'SO-NO-1', 'CUS-1', '2000-01-01', 'confirmed'); \
             INSERT INTO production_orders (production_order_id, production_order_number, material_id, plant_id, order_quantity, \
             basic_start_date, basic_end_date, system_status) \
             VALUES ('PO-1', 'PO-1', 'MAT-1', '{plant_id}', 1000, '2000-01-01', '2099-01-01', 'released'); \
             INSERT INTO cost_centers (cost_center_id, cost_center_code, cost_center_name, plant_id) \
             VALUES ('CC-1', 'CC-1', 'Presses', '{plant_id}'); \
             INSERT INTO work_centers (work_center_id, work_center_code, work_center_name) VALUES ('WC-1', 'WC-1', 'Presses'); \
             INSERT INTO activity_rates (activity_rate_id, work_center_id, cost_center_id, activity_type, fiscal_year, valid_from, \
             unit_of_measure, planned_quantity, variable_rate, total_rate, status) \
             VALUES ('AR-1', 'WC-1', 'CC-1', 'energy', 2000, '2000-01-01', 'KWH', 1, 8, 8, 'released'), \
             ('AR-2', 'WC-1', 'CC-1', 'machine', 2000, '2000-01-01', 'H', 1, 600, 600, 'released')"
        ),
    );
    plant.execute(
        "genims_wms_db",
        &format!(
            "INSERT INTO warehouses (warehouse_id, warehouse_code, warehouse_name, plant_id, warehouse_type) \
             VALUES ('WH-1', 'WH-1', 'Goods', '{plant_id}', 'finished_goods')"
        ),
    );
    plant.execute(
        "genims_financial_db",
        &format!(
            "INSERT INTO fiscal_years (fiscal_year_id, fiscal_year, start_date, end_date) \
             SELECT 'FY-' || year, year, make_date(year, 4, 1), make_date(year + 1, 3, 31) FROM generate_series(2000, 2100) AS year; \
             INSERT INTO chart_of_accounts (account_id, account_code, account_name, account_type) \
             VALUES ('ACC-1', '620100', 'Electricity', 'expense'), ('ACC-2', '213200', 'Accrued', 'liability'); \
             INSERT INTO cost_centers (cost_center_id, cost_center_code, cost_center_name, cost_center_type, factory_id) \
             VALUES ('CC-U', 'CC-U', 'Utilities', 'utilities', '{plant_id}')"
        ),
    );
}

/// Those who wait for the order, and the one who works at the machine, whose shift began two hours ago.
pub(super) fn people(plant: &Plant, machine: &Sensor, at_ms: i64) {
    plant.execute(
        "genims_master_db",
        &format!(
            "INSERT INTO employees (employee_id, factory_id, role) VALUES ('EMP-T1', '{}', 'Machine operator')",
            machine.factory_id
        ),
    );
    plant.execute(
        "genims_crm_db",
        "INSERT INTO accounts (account_id, account_number, customer_id, account_name) VALUES ('ACT-1', 'ACT-1', 'CUS-1', 'Pumps Ltd')",
    );
    plant.execute(
        "genims_service_db",
        "INSERT INTO service_tickets (ticket_id, ticket_number, account_id, subject, description, related_order_id, created_at) \
         VALUES ('TKT-1', 'TKT-1', 'ACT-1', 'Where is it?', 'We wait.', 'SO-1', '2000-01-01'), \
         ('TKT-2', 'TKT-2', 'ACT-1', 'Another', 'Of another order.', 'SO-2', '2000-01-01')",
    );
    plant.execute(
        "genims_tms_db",
        "INSERT INTO carriers (carrier_id, carrier_code, carrier_name) VALUES ('CAR-1', 'CAR-1', 'Lorries'); \
         INSERT INTO shipments (shipment_id, shipment_number, carrier_id, sales_order_id) VALUES ('SHP-1', 'SHP-1', 'CAR-1', 'SO-1'); \
         INSERT INTO tracking_events (event_id, shipment_id, event_type, event_timestamp) \
         VALUES ('TEV-0000001', 'SHP-1', 'created', '2000-01-01')",
    );
    let zone = format!("SELECT timezone FROM factories WHERE factory_id = '{}'", machine.factory_id);
    let zone: String = plant.query("genims_master_db", &zone)[0].get(0);
    let local = format!("(to_timestamp({at_ms} / 1000.0) AT TIME ZONE '{zone}')");
    plant.execute(
        "genims_hr_db",
        &format!(
            "INSERT INTO employees (employee_id, employee_number, first_name, last_name, hire_date) \
             VALUES ('EMP-T1', 'T1', 'Ada', 'Byron', '2000-01-01'); \
             INSERT INTO shift_schedules (shift_id, shift_code, shift_name, start_time, end_time, break_duration_minutes, factory_id) \
             VALUES ('SHI-1', 'S1', 'Test', ({local} - interval '2 hours')::time, ({local} + interval '6 hours')::time, 0, '{}'); \
             INSERT INTO employee_shifts (employee_shift_id, employee_id, shift_id, effective_date, saturday, sunday) \
             VALUES ('ES-1', 'EMP-T1', 'SHI-1', '2000-01-01', true, true)",
            machine.factory_id
        ),
    );
}

/// A characteristic of the product, with its chart (47 to 53 about 50), and one of a bought component, both measured by the gauge.
pub(super) fn characteristics(plant: &Plant, gauge: &Sensor) {
    limit(plant, gauge, 56.0, "warning_threshold_max = NULL, sensor_type = 'quality_bore', measurement_unit = 'mm'");
    let gauge = &gauge.sensor_id;
    plant.execute(
        "genims_quality_db",
        &format!(
            "INSERT INTO control_plans (control_plan_id, control_plan_number, product_id, material_id, process_name, control_plan_title, \
             version, revision_date, effective_date, plan_status) \
             VALUES ('CP-1', 'CP-1', 'P1', NULL, 'Boring', 'Pump', '1', '2000-01-01', '2000-01-01', 'active'), \
             ('CP-2', 'CP-2', NULL, 'MAT-2', 'Receiving', 'Casting', '1', '2000-01-01', '2000-01-01', 'active'); \
             INSERT INTO control_plan_characteristics (characteristic_id, control_plan_id, process_step, characteristic_name, \
             specification, measuring_equipment) \
             VALUES ('CHR-00001', 'CP-1', 'Boring', 'Bore diameter', '50 +/- 6', '{gauge}'), \
             ('CHR-00002', 'CP-2', 'Receiving', 'Bore diameter', '50 +/- 6', '{gauge}'); \
             INSERT INTO spc_control_charts (chart_id, chart_number, process_name, characteristic_name, chart_type, subgroup_size, \
             lower_control_limit, center_line, upper_control_limit) \
             VALUES ('SPC-1', 'SPC-P-00001', 'Boring', 'Bore diameter', 'i_mr', 1, 47, 50, 53)"
        ),
    );
}

/// A machine of whose hours the cost is known, whose next order is ready, whose condition the sensor tells, and whose gauge has a chart
/// without limits.
pub(super) fn watched(plant: &Plant, sensor: &Sensor, gauge: &Sensor) {
    limit(plant, sensor, 190.0, "warning_threshold_max = NULL");
    limit(plant, gauge, 70.0, "warning_threshold_max = NULL, sensor_type = 'quality_face', measurement_unit = 'mm'");
    let (machine, sensor, gauge) = (&sensor.machine_id, &sensor.sensor_id, &gauge.sensor_id);
    plant.execute(
        "genims_manufacturing_db",
        &format!(
            "UPDATE work_order_operations SET work_center_code = 'WC-1' WHERE operation_id = 'O-{machine}'; \
             INSERT INTO work_orders (work_order_id, work_order_number, product_id, factory_id, planned_quantity, status) \
             VALUES ('N-{machine}', 'N-{machine}', 'P2', 'F1', 1000, 'released'); \
             INSERT INTO work_order_operations (operation_id, work_order_id, operation_sequence, operation_name, machine_id, \
             planned_quantity, status) VALUES ('ON-{machine}', 'N-{machine}', 10, 'Pressing', '{machine}', 1000, 'ready')"
        ),
    );
    plant.execute(
        "genims_maintenance_db",
        &format!(
            "INSERT INTO condition_monitoring (condition_monitoring_id, asset_id, parameter_name, sensor_id, monitoring_technique, \
             unit_of_measure, current_value, measured_at, health_score) \
             VALUES ('CMN-1', 'A-{machine}', 'Bearing', '{sensor}', 'vibration', 'mm/s', 50, '2000-01-01', 100)"
        ),
    );
    plant.execute(
        "genims_quality_db",
        &format!(
            "INSERT INTO control_plans (control_plan_id, control_plan_number, product_id, process_name, control_plan_title, \
             version, revision_date, effective_date, plan_status) \
             VALUES ('CP-3', 'CP-3', 'P3', 'Facing', 'Plate', '1', '2000-01-01', '2000-01-01', 'active'); \
             INSERT INTO control_plan_characteristics (characteristic_id, control_plan_id, process_step, characteristic_name, \
             specification, measuring_equipment) VALUES ('CHR-00003', 'CP-3', 'Facing', 'Thickness', '50 +/- 10', '{gauge}'); \
             INSERT INTO spc_control_charts (chart_id, chart_number, process_name, characteristic_name, chart_type, subgroup_size, \
             lower_spec_limit, upper_spec_limit) VALUES ('SPC-3', 'SPC-P-00003', 'Facing', 'Thickness', 'i_mr', 1, 40, 60)"
        ),
    );
}
