-- Agreements with suppliers: contracts, the prices agreed in them, discounts for paying early.
-- Prices hold for a span of dates; spans of one contract, material and volume band do not overlap.

CREATE TABLE supplier_contracts (
    contract_id            VARCHAR(50) PRIMARY KEY,
    contract_number        VARCHAR(50) NOT NULL UNIQUE,
    supplier_id            VARCHAR(50) NOT NULL,
    contract_name          VARCHAR(200) NOT NULL,
    contract_type          VARCHAR(30),
    start_date             DATE NOT NULL,
    end_date               DATE NOT NULL,
    currency_code          VARCHAR(3) DEFAULT 'INR',
    payment_terms          VARCHAR(100),
    minimum_order_quantity DECIMAL(15,4),
    maximum_order_quantity DECIMAL(15,4),
    committed_annual_value DECIMAL(15,2),
    delivery_terms         TEXT,
    quality_terms          TEXT,
    warranty_terms         TEXT,
    return_policy          TEXT,
    penalty_for_delay      DECIMAL(15,2),
    incentive_for_early    DECIMAL(15,2),
    auto_renew             BOOLEAN DEFAULT false,
    renewal_notice_days    INTEGER DEFAULT 60,
    contract_status        VARCHAR(30) DEFAULT 'draft',
    approved_by            VARCHAR(50),
    approved_date          DATE,
    contract_document_url  TEXT,
    actual_spend_to_date   DECIMAL(15,2) DEFAULT 0,
    orders_placed          INTEGER DEFAULT 0,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_contracts_supplier_id_contract_status_idx ON supplier_contracts (supplier_id, contract_status);
CREATE INDEX supplier_contracts_end_date_idx ON supplier_contracts (end_date);
COMMENT ON TABLE supplier_contracts IS 'Supplier agreements: terms, commitments and what was spent under them';
COMMENT ON COLUMN supplier_contracts.contract_id IS 'SCT-00001 ...';
COMMENT ON COLUMN supplier_contracts.contract_number IS 'SC-2026-0001: year and number in the year; purchase orders name it in genims_erp_db.purchase_orders.contract_number';
COMMENT ON COLUMN supplier_contracts.contract_type IS 'framework, fixed_price, volume, service, consignment';
COMMENT ON COLUMN supplier_contracts.end_date IS 'Last day of validity, after start_date';
COMMENT ON COLUMN supplier_contracts.payment_terms IS 'NET30, NET45, NET60, NET90';
COMMENT ON COLUMN supplier_contracts.committed_annual_value IS 'In currency_code; NULL: no commitment';
COMMENT ON COLUMN supplier_contracts.penalty_for_delay IS 'Amount per day of delay, in currency_code';
COMMENT ON COLUMN supplier_contracts.incentive_for_early IS 'Amount per day ahead of the date, in currency_code';
COMMENT ON COLUMN supplier_contracts.renewal_notice_days IS 'Days before end_date by which a party must say no';
COMMENT ON COLUMN supplier_contracts.contract_status IS 'draft, active, expired, terminated, renewed';
COMMENT ON COLUMN supplier_contracts.approved_by IS 'NULL while draft';
COMMENT ON COLUMN supplier_contracts.actual_spend_to_date IS 'Value of the purchase orders placed under the contract, in currency_code';
COMMENT ON COLUMN supplier_contracts.orders_placed IS 'Purchase orders placed under the contract';

CREATE TABLE contract_pricing (
    pricing_id              VARCHAR(50) PRIMARY KEY,
    contract_id             VARCHAR(50) NOT NULL,
    material_id             VARCHAR(50) NOT NULL,
    unit_price              DECIMAL(15,4) NOT NULL,
    currency_code           VARCHAR(3) DEFAULT 'INR',
    effective_from          DATE NOT NULL,
    effective_to            DATE,
    min_order_quantity      DECIMAL(15,4),
    max_order_quantity      DECIMAL(15,4),
    standard_lead_time_days INTEGER,
    price_revision_date     DATE,
    previous_unit_price     DECIMAL(15,4),
    price_change_pct        DECIMAL(5,2),
    is_active               BOOLEAN DEFAULT true,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX contract_pricing_material_id_effective_from_idx ON contract_pricing (material_id, effective_from);
COMMENT ON TABLE contract_pricing IS 'Agreed item prices by volume and date';
COMMENT ON COLUMN contract_pricing.pricing_id IS 'CPR-000001 ...';
COMMENT ON COLUMN contract_pricing.unit_price IS 'Per base unit of the material, in currency_code';
COMMENT ON COLUMN contract_pricing.effective_to IS 'Last day; NULL: to the end of the contract';
COMMENT ON COLUMN contract_pricing.min_order_quantity IS 'Lower end of the volume band; NULL: from the first unit';
COMMENT ON COLUMN contract_pricing.max_order_quantity IS 'Upper end of the volume band; NULL: no upper end';
COMMENT ON COLUMN contract_pricing.standard_lead_time_days IS 'Calendar days from order to delivery';
COMMENT ON COLUMN contract_pricing.price_revision_date IS 'Day the price last changed; NULL: never';
COMMENT ON COLUMN contract_pricing.previous_unit_price IS 'Price before the revision; NULL: none';
COMMENT ON COLUMN contract_pricing.price_change_pct IS '(unit_price - previous_unit_price) / previous_unit_price * 100; NULL without a revision';
COMMENT ON COLUMN contract_pricing.is_active IS 'True when today is between effective_from and effective_to';

CREATE TABLE early_payment_discounts (
    discount_id             VARCHAR(50) PRIMARY KEY,
    offer_number            VARCHAR(50) NOT NULL UNIQUE,
    supplier_id             VARCHAR(50) NOT NULL,
    invoice_id              VARCHAR(50) NOT NULL,
    contract_id             VARCHAR(50),
    offer_type              VARCHAR(30) NOT NULL DEFAULT 'static',
    offered_by              VARCHAR(20) NOT NULL DEFAULT 'supplier',
    offer_date              DATE NOT NULL,
    offer_valid_until       DATE NOT NULL,
    invoice_due_date        DATE NOT NULL,
    early_payment_date      DATE NOT NULL,
    days_accelerated        INTEGER NOT NULL,
    invoice_amount          DECIMAL(15,2) NOT NULL,
    discount_percentage     DECIMAL(6,3) NOT NULL,
    discount_amount         DECIMAL(15,2) NOT NULL,
    net_payable_amount      DECIMAL(15,2) NOT NULL,
    currency                VARCHAR(3) NOT NULL DEFAULT 'INR',
    annualized_return_pct   DECIMAL(7,3),
    status                  VARCHAR(30) NOT NULL DEFAULT 'offered',
    decided_by              VARCHAR(50),
    decided_date            DATE,
    payment_id              VARCHAR(50),
    captured_amount         DECIMAL(15,2) NOT NULL DEFAULT 0,
    remarks                 TEXT,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (offer_type IN ('static', 'dynamic')),
    CHECK (offered_by IN ('supplier', 'company')),
    CHECK (status IN ('offered', 'accepted', 'declined', 'captured', 'missed', 'expired')),
    CHECK (offer_valid_until >= offer_date),
    CHECK (early_payment_date >= offer_date AND early_payment_date < invoice_due_date),
    CHECK (days_accelerated > 0),
    CHECK (discount_percentage > 0 AND discount_percentage < 100),
    CHECK (invoice_amount > 0 AND discount_amount >= 0 AND net_payable_amount >= 0),
    CHECK (captured_amount >= 0 AND captured_amount <= discount_amount)
);
CREATE INDEX early_payment_discounts_supplier_id_status_idx ON early_payment_discounts (supplier_id, status);
CREATE INDEX early_payment_discounts_status_early_payment_date_idx ON early_payment_discounts (status, early_payment_date);
COMMENT ON TABLE early_payment_discounts IS 'Discount offers for paying early, per invoice, and what became of them';
COMMENT ON COLUMN early_payment_discounts.discount_id IS 'EPD-000001 ...';
COMMENT ON COLUMN early_payment_discounts.offer_number IS 'EPD-2026-00001: year and number in the year';
COMMENT ON COLUMN early_payment_discounts.contract_id IS 'Contract that grants the discount; NULL for a single offer';
COMMENT ON COLUMN early_payment_discounts.offer_type IS 'static: a fixed rate by a fixed date (2/10 net 30), dynamic: a rate that falls with every day';
COMMENT ON COLUMN early_payment_discounts.offer_valid_until IS 'Last day on which the offer can be accepted';
COMMENT ON COLUMN early_payment_discounts.invoice_due_date IS 'supplier_invoices.due_date';
COMMENT ON COLUMN early_payment_discounts.early_payment_date IS 'Latest day of payment that earns the discount';
COMMENT ON COLUMN early_payment_discounts.days_accelerated IS 'invoice_due_date - early_payment_date, in days';
COMMENT ON COLUMN early_payment_discounts.invoice_amount IS 'supplier_invoices.total_amount';
COMMENT ON COLUMN early_payment_discounts.discount_amount IS 'invoice_amount * discount_percentage / 100, to 2 places';
COMMENT ON COLUMN early_payment_discounts.net_payable_amount IS 'invoice_amount - discount_amount';
COMMENT ON COLUMN early_payment_discounts.annualized_return_pct IS 'discount_percentage / (100 - discount_percentage) * 365 / days_accelerated * 100';
COMMENT ON COLUMN early_payment_discounts.status IS 'offered, accepted, declined, captured (paid in time), missed (accepted but paid late), expired';
COMMENT ON COLUMN early_payment_discounts.decided_by IS 'Who accepted or declined; NULL while offered or expired';
COMMENT ON COLUMN early_payment_discounts.payment_id IS 'Payment that settled the invoice; NULL before';
COMMENT ON COLUMN early_payment_discounts.captured_amount IS 'discount_amount when captured, 0 otherwise';
