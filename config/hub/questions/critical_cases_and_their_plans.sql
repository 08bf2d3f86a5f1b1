-- asks: auditor
-- question: Have critical nonconformities a cause that was verified or an action plan, and whose material or product are they about?
-- sensible: sum(cases) >= 1 AND bool_and(with_plan <= cases) AND min(cost) >= 0 AND max(closed_without_either) = 0
SELECT n.source_type, coalesce(s.supplier_name, p.product_name, 'none') AS whose, count(*) AS cases,
       count(*) FILTER (WHERE c.plans > 0) AS with_plan,
       count(*) FILTER (WHERE n.ncr_status = 'closed' AND c.plans IS NULL AND NOT coalesce(n.root_cause_verified, false)) AS closed_without_either,
       sum(n.total_cost) AS cost
FROM genims_quality_db.ncr_headers n
LEFT JOIN (SELECT source_document_id, count(*) AS plans FROM genims_quality_db.capa_headers
           WHERE initiated_from = 'ncr' GROUP BY source_document_id) c ON c.source_document_id = n.ncr_id
LEFT JOIN genims_erp_db.suppliers s ON s.supplier_id = n.supplier_id
LEFT JOIN genims_master_db.products p ON p.product_id = n.product_id
WHERE n.defect_severity = 'critical' AND n.ncr_status <> 'cancelled'
GROUP BY 1, 2
ORDER BY cases DESC, whose;
