-- asks: auditor
-- question: Which customers got pieces of a recalled lot, how many were told, and how much came back?
-- sensible: sum(shipped) > 0 AND min(customers) >= 1 AND min(told) >= 1 AND bool_and(told <= customers AND recovered <= shipped AND shipped = delivered)
SELECT r.recall_number, r.recall_class, r.status, p.product_name, count(DISTINCT d.customer_id) AS customers, r.customers_notified AS told,
       sum(d.delivered) AS delivered, r.quantity_shipped AS shipped, r.quantity_recovered AS recovered
FROM genims_quality_db.product_recalls r
JOIN genims_master_db.products p USING (product_id)
LEFT JOIN (SELECT t.batch_number, o.customer_id, -sum(t.quantity) AS delivered
           FROM genims_erp_db.inventory_transactions t JOIN genims_erp_db.sales_orders o USING (sales_order_id)
           WHERE t.movement_type = '601' AND t.batch_number IS NOT NULL GROUP BY 1, 2) d ON d.batch_number = ANY (r.affected_lots)
GROUP BY r.recall_number, r.recall_class, r.status, p.product_name, r.customers_notified, r.quantity_shipped, r.quantity_recovered
ORDER BY r.recall_number;
