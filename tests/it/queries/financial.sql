-- name: income_by_month
-- sensible: rows >= 10 AND min(revenue) > 0 AND min(cost) > 0
SELECT h.fiscal_year, h.fiscal_period, sum(l.credit_amount - l.debit_amount) FILTER (WHERE a.account_type = 'revenue') AS revenue,
       sum(l.debit_amount - l.credit_amount) FILTER (WHERE a.account_type = 'expense') AS cost
FROM journal_entry_lines l JOIN journal_entry_headers h USING (journal_entry_id) JOIN chart_of_accounts a USING (account_id)
WHERE h.posted AND h.entry_type <> 'closing' AND a.financial_statement = 'income_statement'
  AND h.posting_date >= date_trunc('month', CURRENT_DATE) - interval '11 months'
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: receivables_ageing
-- sensible: rows >= 3 AND min(open_amount) > 0
SELECT CASE WHEN due_date >= CURRENT_DATE THEN 'not due' WHEN CURRENT_DATE - due_date <= 30 THEN '1-30' WHEN CURRENT_DATE - due_date <= 60 THEN '31-60' ELSE 'over 60' END AS age,
       count(*) AS items, count(DISTINCT customer_id) AS customers, sum(open_amount) AS open_amount
FROM accounts_receivable_items WHERE open_amount > 0 AND document_type = 'invoice'
GROUP BY 1;

-- name: budget_against_actual
-- sensible: rows >= 10 AND min(actual) > -50000000 AND max(abs(deviation_percentage)) < 400
SELECT c.cost_center_code, c.cost_center_type, sum(b.actual_amount) AS actual, sum(b.budget_amount) AS budget,
       round(100 * (sum(b.actual_amount) - sum(b.budget_amount)) / nullif(sum(b.budget_amount), 0), 1) AS deviation_percentage
FROM cost_center_balances b JOIN cost_centers c USING (cost_center_id)
WHERE b.is_final AND c.cost_center_type <> 'production'
GROUP BY 1, 2 HAVING sum(b.budget_amount) > 0 ORDER BY 1;

-- name: book_value_of_machines
-- sensible: rows >= 4 AND min(net_book_value) >= 0 AND max(depreciated_percentage) <= 95
SELECT f.factory_id, count(*) AS machines, sum(f.acquisition_cost) AS acquisition_cost, sum(f.net_book_value) AS net_book_value,
       round(100 * sum(f.accumulated_depreciation) / sum(f.acquisition_cost), 1) AS depreciated_percentage,
       sum(d.this_year) AS depreciation_of_the_year
FROM fixed_assets f LEFT JOIN (SELECT fixed_asset_id, sum(depreciation_amount) AS this_year FROM depreciation_schedules WHERE status = 'posted' AND depreciation_date >= CURRENT_DATE - 365 AND posted_at IS NOT NULL AND opening_book_value < 1e12 GROUP BY 1) d USING (fixed_asset_id)
WHERE f.asset_class = 'machinery' GROUP BY 1;

-- name: production_variance
-- sensible: rows >= 3 AND min(runs) > 0 AND max(abs(variance_percentage)) < 40
SELECT p.product_id, count(*) AS runs, sum(p.good_quantity) AS good, sum(p.total_cost) AS cost,
       round(100 * sum(p.variance_amount) / nullif(sum(p.standard_unit_cost * p.good_quantity), 0), 2) AS variance_percentage
FROM production_costs p WHERE p.standard_unit_cost IS NOT NULL AND p.good_quantity > 0
GROUP BY 1;

-- name: cash_position
-- sensible: rows >= 5 AND min(statements) >= 10
SELECT b.bank_account_id, b.account_name, b.current_balance, count(r.bank_reconciliation_id) AS statements,
       sum(r.statement_closing_balance - r.statement_opening_balance) AS change, max(r.statement_end_date) AS last_reconciled
FROM bank_accounts b JOIN bank_reconciliations r USING (bank_account_id)
GROUP BY 1, 2, 3 ORDER BY 1;
