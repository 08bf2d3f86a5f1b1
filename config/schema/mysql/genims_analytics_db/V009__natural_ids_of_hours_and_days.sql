-- Facts of hours and days carry the natural id of what they measure, and are told apart by it: what no dimension knows has key 0,
-- and two of them in one hour are two rows.

ALTER TABLE fact_sensor_hourly
    ADD COLUMN sensor_id VARCHAR(50) NOT NULL DEFAULT 'unknown' COMMENT 'genims_master_db.sensors.sensor_id' AFTER hour_start;
UPDATE fact_sensor_hourly SET sensor_id = (SELECT d.sensor_id FROM dim_sensor AS d WHERE d.sensor_key = fact_sensor_hourly.sensor_key) WHERE sensor_key <> 0;
ALTER TABLE fact_sensor_hourly
    ADD KEY fact_sensor_hourly_sensor_key_hour_start_idx (sensor_key, hour_start),
    DROP INDEX fact_sensor_hourly_uk,
    ADD UNIQUE KEY fact_sensor_hourly_uk (sensor_id, hour_start);

ALTER TABLE fact_machine_state
    ADD COLUMN machine_id VARCHAR(50) NOT NULL DEFAULT 'unknown' COMMENT 'genims_master_db.machines.machine_id' AFTER hour_start;
UPDATE fact_machine_state SET machine_id = (SELECT d.machine_id FROM dim_machine AS d WHERE d.machine_key = fact_machine_state.machine_key) WHERE machine_key <> 0;
ALTER TABLE fact_machine_state
    ADD KEY fact_machine_state_machine_key_hour_start_idx (machine_key, hour_start),
    DROP INDEX fact_machine_state_uk,
    ADD UNIQUE KEY fact_machine_state_uk (machine_id, hour_start);

ALTER TABLE fact_production_output
    ADD COLUMN machine_id VARCHAR(50) NOT NULL DEFAULT 'unknown' COMMENT 'genims_master_db.machines.machine_id' AFTER hour_start,
    ADD COLUMN product_id VARCHAR(50) NOT NULL DEFAULT 'unknown' COMMENT 'production_runs.product_id, unknown without a run' AFTER machine_id;
UPDATE fact_production_output SET machine_id = (SELECT d.machine_id FROM dim_machine AS d WHERE d.machine_key = fact_production_output.machine_key) WHERE machine_key <> 0;
UPDATE fact_production_output SET product_id = (SELECT d.product_id FROM dim_product AS d WHERE d.product_key = fact_production_output.product_key) WHERE product_key <> 0;
ALTER TABLE fact_production_output
    ADD KEY fact_production_output_machine_key_hour_start_idx (machine_key, hour_start),
    DROP INDEX fact_production_output_uk,
    ADD UNIQUE KEY fact_production_output_uk (machine_id, product_id, hour_start);

ALTER TABLE fact_oee_hourly
    ADD COLUMN machine_id VARCHAR(50) NOT NULL DEFAULT 'unknown' COMMENT 'genims_master_db.machines.machine_id' AFTER hour_start;
UPDATE fact_oee_hourly SET machine_id = (SELECT d.machine_id FROM dim_machine AS d WHERE d.machine_key = fact_oee_hourly.machine_key) WHERE machine_key <> 0;
ALTER TABLE fact_oee_hourly
    ADD KEY fact_oee_hourly_machine_key_hour_start_idx (machine_key, hour_start),
    DROP INDEX fact_oee_hourly_uk,
    ADD UNIQUE KEY fact_oee_hourly_uk (machine_id, hour_start);

ALTER TABLE fact_energy_hourly
    ADD COLUMN machine_id VARCHAR(50) NOT NULL DEFAULT 'unknown' COMMENT 'genims_master_db.machines.machine_id' AFTER hour_start;
UPDATE fact_energy_hourly SET machine_id = (SELECT d.machine_id FROM dim_machine AS d WHERE d.machine_key = fact_energy_hourly.machine_key) WHERE machine_key <> 0;
ALTER TABLE fact_energy_hourly
    ADD KEY fact_energy_hourly_machine_key_hour_start_idx (machine_key, hour_start),
    DROP INDEX fact_energy_hourly_uk,
    ADD UNIQUE KEY fact_energy_hourly_uk (machine_id, hour_start);

ALTER TABLE fact_inventory_daily
    ADD COLUMN material_id VARCHAR(50) NOT NULL DEFAULT 'unknown' COMMENT 'inventory_transactions.material_id' AFTER date_key,
    ADD COLUMN plant_id VARCHAR(50) NOT NULL DEFAULT 'unknown' COMMENT 'inventory_transactions.plant_id' AFTER material_id;
UPDATE fact_inventory_daily SET material_id = (SELECT d.material_id FROM dim_material AS d WHERE d.material_key = fact_inventory_daily.material_key) WHERE material_key <> 0;
UPDATE fact_inventory_daily SET plant_id = (SELECT d.factory_id FROM dim_factory AS d WHERE d.factory_key = fact_inventory_daily.factory_key) WHERE factory_key <> 0;
ALTER TABLE fact_inventory_daily
    ADD KEY fact_inventory_daily_material_key_date_key_idx (material_key, date_key),
    DROP INDEX fact_inventory_daily_uk,
    ADD UNIQUE KEY fact_inventory_daily_uk (material_id, plant_id, storage_location, date_key);
