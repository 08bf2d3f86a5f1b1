-- Where the price of energy comes from: the rate of the year, which is there before the first invoice of the month is.

ALTER TABLE fact_energy_hourly
    MODIFY COLUMN price_per_kwh_inr DECIMAL(12,4) COMMENT 'total_rate of the plant''s energy activity in the fiscal year of the hour (genims_erp_db.activity_rates), NULL without a rate',
    MODIFY COLUMN energy_cost_inr DECIMAL(15,2) COMMENT 'energy_kwh * price_per_kwh_inr, NULL when the price is';

ALTER TABLE fact_energy_hourly
    COMMENT = 'Grain: machine and UTC hour with a meter step or a power reading. Sources: genims_operations_db.scada_machine_data, genims_erp_db.activity_rates of activity_type energy (price)';
