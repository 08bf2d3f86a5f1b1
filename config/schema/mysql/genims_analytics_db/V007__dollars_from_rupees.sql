-- genims_manufacturing_db keeps rupees; how the dollars of these columns come from them.

ALTER TABLE fact_downtime
    MODIFY COLUMN estimated_cost_usd DECIMAL(12,2) NOT NULL DEFAULT 0 COMMENT 'downtime_events.estimated_cost (INR) / INR for one USD, latest spot rate not after downtime_start';

ALTER TABLE fact_quality_inspection
    MODIFY COLUMN defect_cost_usd DECIMAL(15,2) NOT NULL DEFAULT 0 COMMENT 'SUM(defects.total_cost) (INR) of the inspection / INR for one USD, latest spot rate not after inspection_date';
