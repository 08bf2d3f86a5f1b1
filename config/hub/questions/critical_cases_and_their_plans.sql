-- asks: auditor
-- question: Have critical nonconformities an action plan, and whose material or product are they about?
-- sensible: rows >= 1 AND min(cases) >= 1 AND bool_and(with_plan <= cases)
SELECT n.defect_severity, n.source_type, coalesce(s.supplier_name, p.product_name, 'none') AS whose, count(*) AS cases,
       count(c.capa_id) AS with_plan, sum(n.total_cost) AS cost
FROM genims_quality_db.ncr_headers n
LEFT JOIN genims_quality_db.capa_headers c ON c.source_document_id = n.ncr_id AND c.initiated_from = 'ncr'
LEFT JOIN genims_erp_db.suppliers s ON s.supplier_id = n.supplier_id
LEFT JOIN genims_master_db.products p ON p.product_id = n.product_id
WHERE n.defect_severity = 'critical' AND n.ncr_status <> 'cancelled'
GROUP BY 1, 2, 3
ORDER BY cases DESC, whose;
