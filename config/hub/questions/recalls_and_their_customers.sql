-- asks: auditor
-- question: Which customers got units of recalled lots, and were as many told?
-- sensible: rows >= 1 AND min(told) >= 0 AND bool_and(recovered <= shipped)
SELECT r.recall_number, r.recall_class, r.status, p.product_name, count(DISTINCT s.customer_id) AS customers, max(r.customers_notified) AS told,
       max(r.quantity_shipped) AS shipped, max(r.quantity_recovered) AS recovered
FROM genims_quality_db.product_recalls r
JOIN genims_master_db.products p USING (product_id)
LEFT JOIN genims_erp_db.lot_tracking t ON t.lot_number = ANY (r.affected_lots)
LEFT JOIN genims_tms_db.shipments s ON s.shipment_id = t.last_shipment_id
GROUP BY 1, 2, 3, 4
ORDER BY 1;
