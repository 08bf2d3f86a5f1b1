-- asks: maintenance lead
-- question: Which machines ran most since the reports begin, and when is their next preventive work due?
-- sensible: rows BETWEEN 1 AND 30 AND count(DISTINCT machine_id) = rows AND min(running_hours) > 0 AND bool_and(running_hours <= 24 * days) AND max(availability_percent) <= 100 AND min(next_due) IS NOT NULL
SELECT r.machine_id, r.machine_name, r.days, r.running_hours, r.availability_percent, p.schedules, p.next_due, p.next_due < CURRENT_DATE AS is_overdue
FROM (SELECT machine_id, max(machine_name) AS machine_name, count(DISTINCT performance_date) AS days, round(sum(running_seconds) / 3600, 1) AS running_hours,
             round(avg(availability_percentage), 1) AS availability_percent
      FROM genims_reporting_db.machine_performance_daily GROUP BY machine_id HAVING sum(running_seconds) > 0) r
JOIN (SELECT a.machine_id, count(*) AS schedules, min(s.next_due_date) AS next_due
      FROM genims_maintenance_db.pm_schedules s JOIN genims_maintenance_db.maintenance_assets a USING (asset_id)
      WHERE s.is_active GROUP BY a.machine_id) p USING (machine_id)
ORDER BY r.running_hours DESC, r.machine_id
LIMIT 30;
