-- asks: controller
-- question: Does the profit of the reporting database say what the journals of the ledger say?
-- sensible: rows >= 1 AND max(abs(coalesce(difference, 1))) = 0 AND max(abs(reported_profit)) > 0
SELECT fiscal_year, fiscal_period, currency, r.reported_profit, b.booked_profit, r.reported_profit - b.booked_profit AS difference
FROM (SELECT fiscal_year, fiscal_period, currency, sum(net_profit) AS reported_profit
      FROM genims_reporting_db.profit_and_loss_daily GROUP BY fiscal_year, fiscal_period, currency) r
FULL JOIN (SELECT h.fiscal_year, h.fiscal_period, h.functional_currency_code AS currency, sum(l.functional_credit - l.functional_debit) AS booked_profit
      FROM genims_financial_db.journal_entry_headers h
      JOIN genims_financial_db.journal_entry_lines l USING (journal_entry_id)
      JOIN genims_financial_db.chart_of_accounts a USING (account_id)
      WHERE h.posted AND h.entry_type <> 'closing' AND a.account_type IN ('revenue', 'expense') GROUP BY 1, 2, 3) b USING (fiscal_year, fiscal_period, currency)
ORDER BY fiscal_year, fiscal_period, currency;
