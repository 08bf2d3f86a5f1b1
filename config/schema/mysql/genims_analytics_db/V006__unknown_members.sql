-- Row 0 of every dimension: the unknown member, that a fact refers to when its source names nobody. An AUTO_INCREMENT
-- column takes 0 for "next", hence the row gets key 1 first and 0 afterwards. The load gives keys from 1.

INSERT INTO dim_date (date_key, full_date, day_of_week, day_name, day_of_month, day_of_year, iso_week, iso_year,
    month_number, month_name, quarter_number, calendar_year, year_month_code, is_weekend, is_month_end, fiscal_year,
    fiscal_period, fiscal_quarter)
VALUES (0, NULL, 0, 'unknown', 0, 0, 0, 0, 0, 'unknown', 0, 0, '0000-00', FALSE, FALSE, 0, 0, 0);

INSERT INTO dim_shift (shift_key, shift_id, shift_name) VALUES (1, 'unknown', 'Unknown');
UPDATE dim_shift SET shift_key = 0 WHERE shift_key = 1;

INSERT INTO dim_factory (factory_key, factory_id, factory_name, valid_from) VALUES (1, 'unknown', 'Unknown', '1970-01-01 00:00:00');
UPDATE dim_factory SET factory_key = 0 WHERE factory_key = 1;

INSERT INTO dim_production_line (production_line_key, line_id, line_name, valid_from) VALUES (1, 'unknown', 'Unknown', '1970-01-01 00:00:00');
UPDATE dim_production_line SET production_line_key = 0 WHERE production_line_key = 1;

INSERT INTO dim_machine (machine_key, machine_id, machine_name, valid_from) VALUES (1, 'unknown', 'Unknown', '1970-01-01 00:00:00');
UPDATE dim_machine SET machine_key = 0 WHERE machine_key = 1;

INSERT INTO dim_sensor (sensor_key, sensor_id, sensor_name, valid_from) VALUES (1, 'unknown', 'Unknown', '1970-01-01 00:00:00');
UPDATE dim_sensor SET sensor_key = 0 WHERE sensor_key = 1;

INSERT INTO dim_product (product_key, product_id, product_name, valid_from) VALUES (1, 'unknown', 'Unknown', '1970-01-01 00:00:00');
UPDATE dim_product SET product_key = 0 WHERE product_key = 1;

INSERT INTO dim_material (material_key, material_id, material_name, valid_from) VALUES (1, 'unknown', 'Unknown', '1970-01-01 00:00:00');
UPDATE dim_material SET material_key = 0 WHERE material_key = 1;

INSERT INTO dim_customer (customer_key, customer_id, customer_name, valid_from) VALUES (1, 'unknown', 'Unknown', '1970-01-01 00:00:00');
UPDATE dim_customer SET customer_key = 0 WHERE customer_key = 1;

INSERT INTO dim_supplier (supplier_key, supplier_id, supplier_name, valid_from) VALUES (1, 'unknown', 'Unknown', '1970-01-01 00:00:00');
UPDATE dim_supplier SET supplier_key = 0 WHERE supplier_key = 1;

INSERT INTO dim_employee (employee_key, employee_id) VALUES (1, 'unknown');
UPDATE dim_employee SET employee_key = 0 WHERE employee_key = 1;

INSERT INTO dim_fault_code (fault_code_key, code_list, fault_code, fault_category, fault_severity) VALUES (1, 'unknown', 'unknown', 'unknown', 'unknown');
UPDATE dim_fault_code SET fault_code_key = 0 WHERE fault_code_key = 1;
