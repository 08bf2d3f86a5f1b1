-- asks: auditor
-- question: Is every gauge that is past its calibration locked, and how often did one of the plant fail?
-- sensible: rows >= 1 AND min(gauges) > 0 AND max(overdue_in_use) = 0 AND sum(overdue) < 0.5 * sum(gauges) AND min(failed) >= 0
SELECT f.factory_id, f.factory_name, count(*) AS gauges, count(*) FILTER (WHERE g.next_calibration_due < CURRENT_DATE) AS overdue,
       count(*) FILTER (WHERE g.next_calibration_due < CURRENT_DATE AND NOT g.locked_out) AS overdue_in_use, coalesce(sum(c.failed), 0) AS failed
FROM genims_quality_db.measuring_equipment g
JOIN genims_master_db.employees e ON e.employee_id = g.responsible_person
JOIN genims_master_db.factories f USING (factory_id)
LEFT JOIN (SELECT equipment_id, count(*) AS failed FROM genims_quality_db.calibration_records
           WHERE calibration_result = 'fail' GROUP BY equipment_id) c USING (equipment_id)
GROUP BY f.factory_id, f.factory_name
ORDER BY overdue DESC, gauges DESC;
