-- asks: controller
-- question: Which suppliers have delivered what they have not invoiced?
-- sensible: rows BETWEEN 1 AND 20 AND count(DISTINCT supplier_id) = rows AND min(received_value) > 0 AND min(invoiced_value) >= 0 AND sum(open_value) BETWEEN 0 AND sum(received_value)
SELECT s.supplier_id, s.supplier_name, g.receipts, g.received_value, coalesce(i.invoiced_value, 0) AS invoiced_value,
       g.received_value - coalesce(i.invoiced_value, 0) AS open_value
FROM genims_erp_db.suppliers s
JOIN (SELECT supplier_id, count(*) AS receipts, sum(total_value) AS received_value
      FROM genims_erp_db.goods_receipts WHERE NOT cancelled AND purchase_order_id IS NOT NULL GROUP BY supplier_id) g USING (supplier_id)
LEFT JOIN (SELECT supplier_id, sum(subtotal) AS invoiced_value FROM genims_supplier_db.supplier_invoices
           WHERE invoice_status NOT IN ('rejected', 'cancelled') GROUP BY supplier_id) i USING (supplier_id)
ORDER BY open_value DESC, s.supplier_id
LIMIT 20;
