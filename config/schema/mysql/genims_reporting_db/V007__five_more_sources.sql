-- What maintenance, HR, CRM, service and the WMS know of the things that reports are about.

ALTER TABLE machine_performance_daily
    ADD COLUMN maintenance_job_count INT NOT NULL DEFAULT 0 COMMENT 'COUNT of genims_maintenance_db.work_orders of the assets of the machine with DATE(actual_end_date) on the day' AFTER production_loss_units,
    ADD COLUMN maintenance_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(work_orders.actual_total_cost) of those jobs, INR' AFTER maintenance_job_count;
ALTER TABLE machine_performance_daily
    COMMENT = 'Grain: machine and UTC day. Sources: genims_operations_db.scada_machine_data (time, output, energy), genims_operations_db.machine_faults, genims_manufacturing_db.downtime_events, genims_maintenance_db.work_orders, maintenance_assets, names from genims_master_db.machines, production_lines, factories';

ALTER TABLE line_performance_daily
    ADD COLUMN maintenance_job_count INT NOT NULL DEFAULT 0 COMMENT 'SUM(machine_performance_daily.maintenance_job_count)' AFTER production_loss_units,
    ADD COLUMN maintenance_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(machine_performance_daily.maintenance_cost), INR' AFTER maintenance_job_count;
ALTER TABLE line_performance_daily
    COMMENT = 'Grain: line and UTC day. Summed from machine_performance_daily (genims_operations_db.scada_machine_data, machine_faults, genims_manufacturing_db.downtime_events, genims_maintenance_db.work_orders), finished runs from genims_operations_db.production_runs, names from genims_master_db.production_lines, factories';

ALTER TABLE factory_performance_daily
    ADD COLUMN maintenance_job_count INT NOT NULL DEFAULT 0 COMMENT 'COUNT of genims_maintenance_db.work_orders of all assets of the plant, also those of no machine, with DATE(actual_end_date) on the day' AFTER production_loss_units,
    ADD COLUMN maintenance_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(work_orders.actual_total_cost) of those jobs, INR' AFTER maintenance_job_count,
    ADD COLUMN safety_incident_count INT NOT NULL DEFAULT 0 COMMENT 'COUNT of genims_hr_db.safety_incidents of the plant with incident_date on the day' AFTER maintenance_cost,
    ADD COLUMN lost_time_incident_count INT NOT NULL DEFAULT 0 COMMENT 'Of these with incident_type lost_time' AFTER safety_incident_count;
ALTER TABLE factory_performance_daily
    COMMENT = 'Grain: plant and UTC day. Summed from line_performance_daily and machine_performance_daily (genims_operations_db.scada_machine_data, machine_faults, production_runs, genims_manufacturing_db.downtime_events), genims_maintenance_db.work_orders, maintenance_assets, genims_hr_db.safety_incidents, names from genims_master_db.factories';

ALTER TABLE sales_order_summary
    ADD COLUMN ticket_count INT NOT NULL DEFAULT 0 COMMENT 'COUNT of genims_service_db.service_tickets with related_order_id' AFTER last_delivery_date,
    ADD COLUMN warranty_claim_count INT NOT NULL DEFAULT 0 COMMENT 'COUNT of genims_service_db.warranty_claims whose warranty_registrations.sales_order_id is the order' AFTER ticket_count;
ALTER TABLE sales_order_summary
    COMMENT = 'Grain: sales order. Sources: genims_erp_db.sales_orders, sales_order_lines without deletion_indicator, genims_erp_db.materials (standard cost), genims_tms_db.shipments, genims_service_db.service_tickets, warranty_claims, warranty_registrations, genims_financial_db.exchange_rates, names from genims_master_db.customers';

ALTER TABLE sales_by_customer
    ADD COLUMN account_tier VARCHAR(20) COMMENT 'genims_crm_db.accounts.account_tier of the customer as it stands, NULL without an account' AFTER industry_segment;
ALTER TABLE sales_by_customer
    COMMENT = 'Grain: customer, currency and month of order. Sources: genims_erp_db.sales_orders with order_status not cancelled and order_type not return, sales_order_lines without deletion_indicator, line_status not cancelled, genims_erp_db.materials, genims_tms_db.shipments, genims_crm_db.accounts, genims_financial_db.exchange_rates, names from genims_master_db.customers';

ALTER TABLE stock_level_summary
    ADD COLUMN warehouse_quantity DECIMAL(18,4) NOT NULL DEFAULT 0 COMMENT 'SUM(genims_wms_db.warehouse_inventory.quantity_on_hand) in the warehouses of the plant, on_hand_quantity also has storage locations that no warehouse keeps' AFTER on_hand_quantity;
ALTER TABLE stock_level_summary
    COMMENT = 'Grain: material and plant, as it stands. Sources: genims_erp_db.inventory_balances, materials, safety_stock_levels, inventory_transactions, purchase_order_lines, sales_order_lines, genims_wms_db.warehouse_inventory, warehouses, names from genims_master_db.factories';
