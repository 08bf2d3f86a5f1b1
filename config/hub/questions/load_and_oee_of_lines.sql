-- asks: planner
-- question: How full is each line in the next two weeks, and how well has it run?
-- sensible: rows >= 1 AND count(DISTINCT line_id) = rows AND min(planned_hours) > 0 AND max(planned_hours) <= 15 * 24 AND min(oee_percent) > 0 AND max(oee_percent) <= 100
SELECT l.line_id, l.line_name, s.jobs, s.planned_hours, s.units, r.oee_percent
FROM genims_master_db.production_lines l
JOIN (SELECT line_id, count(*) AS jobs, sum(planned_quantity) AS units,
             round(sum(extract(epoch FROM planned_end_time - planned_start_time)) / 3600, 1) AS planned_hours
      FROM genims_manufacturing_db.production_schedule
      WHERE schedule_date BETWEEN CURRENT_DATE AND CURRENT_DATE + 14 AND schedule_status NOT IN ('cancelled', 'completed') GROUP BY line_id) s USING (line_id)
JOIN (SELECT line_id, round(avg(oee_percentage), 1) AS oee_percent FROM genims_reporting_db.line_performance_daily
      WHERE oee_percentage IS NOT NULL GROUP BY line_id) r USING (line_id)
ORDER BY s.planned_hours DESC;
