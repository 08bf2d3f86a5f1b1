-- asks: auditor
-- question: Did anybody release his own purchase order or approve the invoice he had keyed in?
-- sensible: rows = 2 AND min(documents) > 0 AND max(by_one_hand) = 0 AND bool_and(by_known_people = documents)
SELECT 'purchase order' AS document, count(*) AS documents, count(*) FILTER (WHERE created_by = released_by) AS by_one_hand,
       count(e.employee_id) AS by_known_people
FROM genims_erp_db.purchase_orders p LEFT JOIN genims_master_db.employees e ON e.employee_id = p.released_by
WHERE p.released_by IS NOT NULL
UNION ALL
SELECT 'supplier invoice', count(*), count(*) FILTER (WHERE submitted_by = approved_by), count(e.employee_id)
FROM genims_supplier_db.supplier_invoices i LEFT JOIN genims_master_db.employees e ON e.employee_id = i.approved_by
WHERE i.approved_by IS NOT NULL;
