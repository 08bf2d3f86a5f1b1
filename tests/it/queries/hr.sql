-- name: attendance_and_overtime_by_plant_last_30_days
-- sensible: rows >= 4 AND min(attendance_rate) BETWEEN 60 AND 100 AND max(overtime_share) < 20
SELECT e.primary_factory_id, s.shift_type, count(*) AS days,
       round(100.0 * count(*) FILTER (WHERE a.attendance_status IN ('present', 'late', 'half_day')) / count(*), 1) AS attendance_rate,
       round(100 * sum(a.overtime_hours) / nullif(sum(a.regular_hours), 0), 1) AS overtime_share
FROM attendance_records a
JOIN employees e USING (employee_id)
JOIN shift_schedules s USING (shift_id)
WHERE a.attendance_date >= CURRENT_DATE - 30
GROUP BY e.primary_factory_id, s.shift_type
ORDER BY attendance_rate;

-- name: certificates_that_run_out
-- sensible: rows >= 5 AND min(days_left) >= 0
SELECT e.primary_factory_id, e.first_name, e.last_name, c.certification_name, c.expiry_date, c.expiry_date - CURRENT_DATE AS days_left,
       boss.work_email AS to_be_told
FROM employee_certifications c
JOIN employees e USING (employee_id)
LEFT JOIN employees boss ON boss.employee_id = e.reports_to_employee_id
WHERE c.certification_status <> 'revoked' AND c.expiry_date BETWEEN CURRENT_DATE AND CURRENT_DATE + 90
ORDER BY c.expiry_date;

-- name: skill_gaps_against_the_role
-- sensible: rows >= 5 AND max(gap_share) <= 100 AND sum(people) > 50
SELECT r.role_name, k.skill_name, count(*) AS people, count(*) FILTER (WHERE s.proficiency_level < q.min_proficiency_level) AS below,
       round(100.0 * count(*) FILTER (WHERE s.proficiency_level < q.min_proficiency_level) / count(*), 1) AS gap_share
FROM employees e
JOIN positions p ON p.position_id = e.primary_position_id
JOIN job_roles r USING (role_id)
JOIN role_skill_requirements q USING (role_id)
JOIN skills_catalog k USING (skill_id)
LEFT JOIN employee_skills s ON s.employee_id = e.employee_id AND s.skill_id = q.skill_id
GROUP BY r.role_name, k.skill_name
ORDER BY gap_share DESC;

-- name: recordable_rate_by_plant
-- sensible: rows >= 3 AND min(incidents) >= 1 AND min(recordables) >= 0
SELECT i.factory_id, count(*) AS incidents, count(*) FILTER (WHERE i.osha_recordable) AS recordables,
       sum(i.days_away_from_work) AS days_away, h.hours,
       round(200000 * count(*) FILTER (WHERE i.osha_recordable) / nullif(h.hours * 365 / nullif(h.days, 0), 0), 2) AS recordable_rate
FROM safety_incidents i
JOIN (SELECT e.primary_factory_id, sum(a.actual_hours) AS hours, max(a.attendance_date) - min(a.attendance_date) + 1 AS days
      FROM attendance_records a JOIN employees e USING (employee_id) GROUP BY 1) h ON h.primary_factory_id = i.factory_id
WHERE i.incident_date >= CURRENT_DATE - 365
GROUP BY i.factory_id, h.hours, h.days
ORDER BY recordable_rate DESC NULLS LAST;

-- name: ratings_by_manager_latest_period
-- sensible: rows >= 10 AND min(mean_rating) >= 1 AND max(mean_rating) <= 5
SELECT boss.last_name, boss.job_title, count(*) AS appraised, round(avg(r.overall_rating), 2) AS mean_rating,
       round(avg(r.overall_rating) - avg(avg(r.overall_rating)) OVER (), 2) AS against_all
FROM (SELECT *, row_number() OVER (PARTITION BY employee_id ORDER BY review_period_end DESC) AS back FROM performance_reviews
      WHERE overall_rating IS NOT NULL) r
JOIN employees boss ON boss.employee_id = r.reviewer_id
WHERE r.back = 1
GROUP BY boss.employee_id, boss.last_name, boss.job_title;
