-- asks: auditor
-- question: Which invoices claim more than the goods receipts of their order line accepted?
-- sensible: rows >= 1 AND bool_and(invoiced > accepted) AND min(lines) >= 1
SELECT i.matching_status, i.invoice_status, count(*) AS lines, count(DISTINCT i.supplier_id) AS suppliers, sum(l.invoiced_quantity) AS invoiced,
       sum(coalesce(g.accepted, 0)) AS accepted, sum(i.total_amount) AS amount
FROM genims_supplier_db.supplier_invoice_lines l
JOIN genims_supplier_db.supplier_invoices i USING (invoice_id)
LEFT JOIN (SELECT r.po_line_id, sum(r.accepted_quantity) AS accepted
      FROM genims_erp_db.goods_receipt_lines r JOIN genims_erp_db.goods_receipts h USING (goods_receipt_id)
      WHERE NOT h.cancelled GROUP BY r.po_line_id) g USING (po_line_id)
WHERE l.po_line_id IS NOT NULL AND l.invoiced_quantity > coalesce(g.accepted, 0)
GROUP BY i.matching_status, i.invoice_status
ORDER BY lines DESC;
