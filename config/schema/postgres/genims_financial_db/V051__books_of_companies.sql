-- Companies keep their books in their own currencies. The columns are the contract with existing clients; this says what they hold.

COMMENT ON COLUMN journal_entry_headers.journal_number IS 'RV/2000/2025/000123: kind, genims_master_db.companies.company_code, fiscal year, number';
COMMENT ON COLUMN journal_entry_headers.currency_code IS 'Of the document, which is the currency of the group';
COMMENT ON COLUMN journal_entry_headers.functional_currency_code IS 'Currency of the books of the company: genims_master_db.companies.currency';
COMMENT ON COLUMN journal_entry_headers.exchange_rate IS 'Units of functional_currency_code for one unit of currency_code on posting_date: the inverse of the latest spot rate not after it; of a closing the rate of its day, while its amounts are the sums of the year';
COMMENT ON COLUMN journal_entry_lines.debit_amount IS 'In currency_code, never negative; one of debit and credit is 0, both are in a revaluation, which changes the books of the company alone';
COMMENT ON COLUMN journal_entry_lines.functional_debit IS 'functional_debit = debit_amount * exchange_rate; the largest line takes the cents by which the lines of a journal would not balance';
COMMENT ON COLUMN journal_entry_lines.functional_credit IS 'functional_credit = credit_amount * exchange_rate; the largest line takes the cents by which the lines of a journal would not balance';
COMMENT ON TABLE account_balances IS 'Period totals per account over all companies, in the currency of the group, debit positive';
COMMENT ON COLUMN account_balances.period_debit IS 'Sum of debit_amount of the posted lines of the period';
COMMENT ON COLUMN account_balances.period_credit IS 'Sum of credit_amount of the posted lines of the period';
COMMENT ON COLUMN cost_center_balances.primary_amount IS 'debit_amount - credit_amount of the posted lines, without allocations; cost positive';
COMMENT ON TABLE budget_lines IS 'Monthly budget per account and cost center, in the currency of the group';
COMMENT ON COLUMN financial_statements.statement_data IS 'Object of sections, each an array of {account_code, account_name, amount}, and totals; currency of the group. With company_code: the trial balance of that company in its currency, with group_amount beside amount, closing_rate, average_rate and totals.translation_reserve';
COMMENT ON COLUMN accounts_receivable_items.functional_amount IS 'functional_amount = original_amount * exchange_rate, in the currency of the company';
COMMENT ON COLUMN accounts_payable_items.functional_amount IS 'functional_amount = original_amount * exchange_rate, in the currency of the company';
COMMENT ON COLUMN exchange_rates.effective_date IS 'First day of use: the spot rate of a day is the latest one not after it; an average is of the month that ends on this day';
