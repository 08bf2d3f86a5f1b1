-- asks: auditor
-- question: Who changes how much in which database, and of which personal data?
-- sensible: rows >= 1 AND count(DISTINCT database_name) >= 2 AND min(actors) >= 1 AND bool_and(actors <= changes AND personal <= changes) AND bool_and(first_change <= last_change) AND sum(personal) > 0
SELECT d.database_name, d.actor_type, coalesce(e.department, d.actor_type) AS department, count(*) AS changes, count(DISTINCT d.actor_id) AS actors,
       count(*) FILTER (WHERE d.contains_personal_data) AS personal, min(d.occurred_at)::date AS first_change, max(d.occurred_at)::date AS last_change
FROM genims_audit_db.data_change_audit d
LEFT JOIN genims_master_db.employees e ON e.employee_id = d.actor_id
GROUP BY 1, 2, 3
ORDER BY changes DESC, 1, 2, 3;
