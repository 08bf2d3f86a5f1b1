-- asks: auditor
-- question: Which suppliers' invoices that we approved or paid claim more than the goods receipts of the order lines accepted, and by how much?
-- sensible: sum(order_lines) > 0 AND sum(beyond) < 0.1 * sum(order_lines) AND max(beyond_percent) <= 5
SELECT s.supplier_id, s.supplier_name, count(*) AS order_lines, count(*) FILTER (WHERE i.invoiced > coalesce(g.accepted, 0)) AS beyond,
       sum(i.invoiced) AS invoiced, sum(coalesce(g.accepted, 0)) AS accepted,
       round(100 * sum(greatest(i.invoiced - coalesce(g.accepted, 0), 0)) / sum(i.invoiced), 2) AS beyond_percent
FROM (SELECT h.supplier_id, l.po_line_id, sum(l.invoiced_quantity) AS invoiced
      FROM genims_supplier_db.supplier_invoice_lines l JOIN genims_supplier_db.supplier_invoices h USING (invoice_id)
      WHERE h.invoice_status IN ('approved', 'paid') AND l.po_line_id IS NOT NULL GROUP BY 1, 2 HAVING sum(l.invoiced_quantity) > 0) i
LEFT JOIN (SELECT r.po_line_id, sum(r.accepted_quantity) AS accepted
      FROM genims_erp_db.goods_receipt_lines r JOIN genims_erp_db.goods_receipts h USING (goods_receipt_id)
      WHERE NOT h.cancelled GROUP BY r.po_line_id) g USING (po_line_id)
JOIN genims_erp_db.suppliers s USING (supplier_id)
GROUP BY s.supplier_id, s.supplier_name
ORDER BY beyond_percent DESC, s.supplier_id;
