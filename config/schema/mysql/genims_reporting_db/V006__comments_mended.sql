-- A corrupted comment, and the currency of costs: genims_manufacturing_db keeps rupees, so what is summed from it is rupees.

ALTER TABLE machine_performance_daily
    MODIFY COLUMN off_seconds DECIMAL(15,3) NOT NULL DEFAULT 0 COMMENT 'machine_state OFF, not planned time';

ALTER TABLE production_summary_daily
    MODIFY COLUMN material_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(work_orders.total_material_cost), INR',
    MODIFY COLUMN labor_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(work_orders.total_labor_cost), INR',
    MODIFY COLUMN overhead_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(work_orders.total_overhead_cost), INR',
    MODIFY COLUMN total_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'material_cost + labor_cost + overhead_cost, INR',
    MODIFY COLUMN cost_per_usable_unit DECIMAL(15,4) COMMENT 'total_cost / (good_units + rework_units), INR, NULL when there is none',
    MODIFY COLUMN standard_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM((good_quantity + rework_quantity) * standard_cost_per_unit) of work_orders, INR',
    MODIFY COLUMN cost_variance DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'total_cost - standard_cost, INR, positive: dearer than standard';

ALTER TABLE work_order_summary
    MODIFY COLUMN material_cost DECIMAL(15,2) NOT NULL DEFAULT 0 COMMENT 'work_orders.total_material_cost, INR',
    MODIFY COLUMN labor_cost DECIMAL(15,2) NOT NULL DEFAULT 0 COMMENT 'work_orders.total_labor_cost, INR',
    MODIFY COLUMN overhead_cost DECIMAL(15,2) NOT NULL DEFAULT 0 COMMENT 'work_orders.total_overhead_cost, INR',
    MODIFY COLUMN total_cost DECIMAL(15,2) NOT NULL DEFAULT 0 COMMENT 'material_cost + labor_cost + overhead_cost, INR',
    MODIFY COLUMN standard_cost DECIMAL(15,2) NOT NULL DEFAULT 0 COMMENT '(good_quantity + rework_quantity) * work_orders.standard_cost_per_unit, INR',
    MODIFY COLUMN cost_variance DECIMAL(15,2) NOT NULL DEFAULT 0 COMMENT 'total_cost - standard_cost, INR, positive: dearer than standard';

ALTER TABLE material_consumption_daily
    MODIFY COLUMN consumed_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(total_cost) of issue - SUM(total_cost) of return, INR',
    MODIFY COLUMN wasted_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(total_cost) of scrap, INR';

ALTER TABLE quality_summary_daily
    MODIFY COLUMN scrap_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(defects.scrap_cost), INR',
    MODIFY COLUMN rework_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(defects.rework_cost), INR',
    MODIFY COLUMN defect_cost DECIMAL(18,2) NOT NULL DEFAULT 0 COMMENT 'SUM(defects.total_cost), INR';
