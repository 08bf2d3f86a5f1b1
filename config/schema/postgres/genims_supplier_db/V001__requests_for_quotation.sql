-- From need to award: departmental requisitions, quote requests, invited suppliers, their offers and the comparison.
-- Totals of headers are sums of their lines, in the currency of the header.

CREATE TABLE purchase_requisitions (
    requisition_id      VARCHAR(50) PRIMARY KEY,
    requisition_number  VARCHAR(50) NOT NULL UNIQUE,
    requested_by        VARCHAR(50) NOT NULL,
    department_id       VARCHAR(50),
    cost_center_id      VARCHAR(50),
    requisition_date    DATE NOT NULL,
    required_by_date    DATE NOT NULL,
    requisition_type    VARCHAR(30) DEFAULT 'standard',
    purpose             TEXT,
    justification       TEXT,
    budget_code         VARCHAR(50),
    estimated_total     DECIMAL(15,2),
    requisition_status  VARCHAR(30) DEFAULT 'draft',
    approval_level      INTEGER DEFAULT 0,
    approved_by         VARCHAR(50),
    approved_date       DATE,
    rejection_reason    TEXT,
    converted_to_rfq_id VARCHAR(50),
    converted_to_po_id  VARCHAR(50),
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX purchase_requisitions_requisition_status_requisition_date_idx ON purchase_requisitions (requisition_status, requisition_date);
COMMENT ON TABLE purchase_requisitions IS 'Departmental buy requests that feed quote requests and purchase orders';
COMMENT ON COLUMN purchase_requisitions.requisition_id IS 'SPR-000001 ...; not the keys of genims_erp_db.purchase_requisitions';
COMMENT ON COLUMN purchase_requisitions.requisition_number IS 'SPR-2026-00001: year and number in the year';
COMMENT ON COLUMN purchase_requisitions.required_by_date IS 'Not before requisition_date';
COMMENT ON COLUMN purchase_requisitions.requisition_type IS 'standard, urgent, capital, service';
COMMENT ON COLUMN purchase_requisitions.budget_code IS 'Budget the need is charged to, as the cost centre knows it';
COMMENT ON COLUMN purchase_requisitions.estimated_total IS 'Sum of estimated_total of the lines, INR';
COMMENT ON COLUMN purchase_requisitions.requisition_status IS 'draft, submitted, approved, rejected, converted, cancelled';
COMMENT ON COLUMN purchase_requisitions.approval_level IS 'Approvals given so far: 0 none, 1 department, 2 finance, 3 management';
COMMENT ON COLUMN purchase_requisitions.approved_by IS 'Last approver; NULL unless approved or converted; never requested_by';
COMMENT ON COLUMN purchase_requisitions.rejection_reason IS 'NULL unless rejected';
COMMENT ON COLUMN purchase_requisitions.converted_to_rfq_id IS 'Quote request it became; NULL unless converted by way of one';
COMMENT ON COLUMN purchase_requisitions.converted_to_po_id IS 'Purchase order it became; NULL until ordered';

CREATE TABLE purchase_requisition_lines (
    line_id               VARCHAR(50) PRIMARY KEY,
    requisition_id        VARCHAR(50) NOT NULL,
    line_number           INTEGER NOT NULL,
    material_id           VARCHAR(50),
    item_description      TEXT NOT NULL,
    quantity              DECIMAL(15,4) NOT NULL,
    unit_of_measure       VARCHAR(20),
    estimated_unit_price  DECIMAL(15,4),
    estimated_total       DECIMAL(15,2),
    preferred_supplier_id VARCHAR(50),
    delivery_location     VARCHAR(50),
    required_by_date      DATE,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE purchase_requisition_lines IS 'Items of a departmental buy request';
COMMENT ON COLUMN purchase_requisition_lines.line_id IS 'SPRL-0000001 ...; one row per requisition_id and line_number';
COMMENT ON COLUMN purchase_requisition_lines.line_number IS 'From 1 in each requisition';
COMMENT ON COLUMN purchase_requisition_lines.material_id IS 'NULL for a service or a free-text item';
COMMENT ON COLUMN purchase_requisition_lines.quantity IS 'In unit_of_measure, above 0';
COMMENT ON COLUMN purchase_requisition_lines.estimated_unit_price IS 'INR per unit_of_measure';
COMMENT ON COLUMN purchase_requisition_lines.estimated_total IS 'quantity * estimated_unit_price, to 2 places';
COMMENT ON COLUMN purchase_requisition_lines.delivery_location IS 'Plant or warehouse that gets the goods';
COMMENT ON COLUMN purchase_requisition_lines.required_by_date IS 'NULL: as the header';

CREATE TABLE rfq_headers (
    rfq_id                   VARCHAR(50) PRIMARY KEY,
    rfq_number               VARCHAR(50) NOT NULL UNIQUE,
    rfq_title                VARCHAR(200) NOT NULL,
    rfq_description          TEXT,
    rfq_type                 VARCHAR(30) DEFAULT 'standard',
    requested_by             VARCHAR(50),
    department_id            VARCHAR(50),
    rfq_date                 DATE NOT NULL,
    response_deadline        DATE NOT NULL,
    expected_delivery_date   DATE,
    total_estimated_value    DECIMAL(15,2),
    currency_code            VARCHAR(3) DEFAULT 'INR',
    quality_requirements     TEXT,
    technical_specifications TEXT,
    delivery_location        VARCHAR(50),
    payment_terms            VARCHAR(100),
    incoterms                VARCHAR(20),
    rfq_status               VARCHAR(30) DEFAULT 'draft',
    published_date           DATE,
    published_by             VARCHAR(50),
    awarded_date             DATE,
    awarded_to               VARCHAR(50),
    award_notes              TEXT,
    attachment_urls          TEXT[],
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX rfq_headers_rfq_status_response_deadline_idx ON rfq_headers (rfq_status, response_deadline);
COMMENT ON TABLE rfq_headers IS 'Quote requests sent to suppliers, up to the award';
COMMENT ON COLUMN rfq_headers.rfq_id IS 'RFQ-000001 ...';
COMMENT ON COLUMN rfq_headers.rfq_number IS 'RFQ-2026-00001: year and number in the year';
COMMENT ON COLUMN rfq_headers.rfq_type IS 'standard, urgent, framework, service';
COMMENT ON COLUMN rfq_headers.response_deadline IS 'Last day for offers, not before rfq_date';
COMMENT ON COLUMN rfq_headers.total_estimated_value IS 'Sum of estimated_total of the lines, in currency_code';
COMMENT ON COLUMN rfq_headers.delivery_location IS 'Plant or warehouse that gets the goods';
COMMENT ON COLUMN rfq_headers.payment_terms IS 'NET30, NET45, NET60, NET90';
COMMENT ON COLUMN rfq_headers.incoterms IS 'Incoterms 2020 rule: EXW, FCA, FOB, CIF, DAP, DDP';
COMMENT ON COLUMN rfq_headers.rfq_status IS 'draft, published, closed, evaluated, awarded, cancelled';
COMMENT ON COLUMN rfq_headers.published_date IS 'NULL while draft';
COMMENT ON COLUMN rfq_headers.awarded_date IS 'NULL unless awarded; after response_deadline';
COMMENT ON COLUMN rfq_headers.awarded_to IS 'Supplier of the winning offer, one of rfq_suppliers; NULL unless awarded';
COMMENT ON COLUMN rfq_headers.attachment_urls IS 'Drawings and specifications';

CREATE TABLE rfq_lines (
    line_id              VARCHAR(50) PRIMARY KEY,
    rfq_id               VARCHAR(50) NOT NULL,
    line_number          INTEGER NOT NULL,
    item_type            VARCHAR(20) DEFAULT 'material',
    material_id          VARCHAR(50),
    item_description     TEXT NOT NULL,
    quantity             DECIMAL(15,4) NOT NULL,
    unit_of_measure      VARCHAR(20),
    target_price         DECIMAL(15,2),
    estimated_total      DECIMAL(15,2),
    technical_specs      TEXT,
    quality_requirements TEXT,
    required_by_date     DATE,
    delivery_schedule    TEXT,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE rfq_lines IS 'Items of a quote request';
COMMENT ON COLUMN rfq_lines.line_id IS 'RFQL-0000001 ...; one row per rfq_id and line_number';
COMMENT ON COLUMN rfq_lines.line_number IS 'From 1 in each request';
COMMENT ON COLUMN rfq_lines.item_type IS 'material, service, tooling';
COMMENT ON COLUMN rfq_lines.material_id IS 'NULL unless item_type is material';
COMMENT ON COLUMN rfq_lines.quantity IS 'In unit_of_measure, above 0';
COMMENT ON COLUMN rfq_lines.target_price IS 'Price per unit_of_measure aimed at, in the currency of the header; not shown to suppliers';
COMMENT ON COLUMN rfq_lines.estimated_total IS 'quantity * target_price, to 2 places';
COMMENT ON COLUMN rfq_lines.delivery_schedule IS 'Part deliveries in words; NULL: one delivery on required_by_date';

CREATE TABLE rfq_suppliers (
    rfq_supplier_id   VARCHAR(50) PRIMARY KEY,
    rfq_id            VARCHAR(50) NOT NULL,
    supplier_id       VARCHAR(50) NOT NULL,
    invited_date      TIMESTAMP,
    invited_by        VARCHAR(50),
    invitation_method VARCHAR(30),
    response_status   VARCHAR(30) DEFAULT 'pending',
    viewed_date       TIMESTAMP,
    responded_date    TIMESTAMP,
    decline_reason    TEXT,
    is_shortlisted    BOOLEAN DEFAULT false,
    shortlist_notes   TEXT,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX rfq_suppliers_supplier_id_response_status_idx ON rfq_suppliers (supplier_id, response_status);
COMMENT ON TABLE rfq_suppliers IS 'Suppliers invited to a quote request and how they reacted';
COMMENT ON COLUMN rfq_suppliers.rfq_supplier_id IS 'RFS-0000001 ...; one row per rfq_id and supplier_id';
COMMENT ON COLUMN rfq_suppliers.invitation_method IS 'portal, email, phone';
COMMENT ON COLUMN rfq_suppliers.response_status IS 'pending, viewed, responded, declined, no_response';
COMMENT ON COLUMN rfq_suppliers.viewed_date IS 'NULL: not opened';
COMMENT ON COLUMN rfq_suppliers.responded_date IS 'Response or refusal; NULL: none';
COMMENT ON COLUMN rfq_suppliers.decline_reason IS 'NULL unless declined';

CREATE TABLE rfq_responses (
    response_id        VARCHAR(50) PRIMARY KEY,
    response_number    VARCHAR(50) NOT NULL UNIQUE,
    rfq_id             VARCHAR(50) NOT NULL,
    supplier_id        VARCHAR(50) NOT NULL,
    response_date      TIMESTAMP NOT NULL,
    valid_until_date   DATE,
    currency_code      VARCHAR(3) DEFAULT 'INR',
    payment_terms      VARCHAR(100),
    delivery_terms     TEXT,
    total_quoted_value DECIMAL(15,2),
    remarks            TEXT,
    alternate_proposal TEXT,
    attachment_urls    TEXT[],
    response_status    VARCHAR(30) DEFAULT 'submitted',
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX rfq_responses_supplier_id_idx ON rfq_responses (supplier_id);
COMMENT ON TABLE rfq_responses IS 'Offers received, one per request and supplier';
COMMENT ON COLUMN rfq_responses.response_id IS 'RFR-000001 ...';
COMMENT ON COLUMN rfq_responses.response_number IS 'QUO-2026-00001: year and number in the year';
COMMENT ON COLUMN rfq_responses.supplier_id IS 'One of the suppliers invited (rfq_suppliers)';
COMMENT ON COLUMN rfq_responses.response_date IS 'Not after the end of rfq_headers.response_deadline';
COMMENT ON COLUMN rfq_responses.valid_until_date IS 'Last day on which the offer binds';
COMMENT ON COLUMN rfq_responses.total_quoted_value IS 'Sum of total_price of the lines, in currency_code';
COMMENT ON COLUMN rfq_responses.alternate_proposal IS 'NULL: offers what was asked for';
COMMENT ON COLUMN rfq_responses.response_status IS 'submitted, under_review, shortlisted, accepted, rejected, withdrawn';

CREATE TABLE rfq_response_lines (
    response_line_id      VARCHAR(50) PRIMARY KEY,
    response_id           VARCHAR(50) NOT NULL,
    rfq_line_id           VARCHAR(50) NOT NULL,
    line_number           INTEGER,
    unit_price            DECIMAL(15,4) NOT NULL,
    total_price           DECIMAL(15,2),
    lead_time_days        INTEGER,
    delivery_date         DATE,
    meets_specifications  BOOLEAN DEFAULT true,
    deviation_notes       TEXT,
    alternate_material_id VARCHAR(50),
    alternate_description TEXT,
    alternate_unit_price  DECIMAL(15,4),
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE rfq_response_lines IS 'Item prices and lead times in an offer';
COMMENT ON COLUMN rfq_response_lines.response_line_id IS 'RFRL-0000001 ...; one row per response_id and rfq_line_id';
COMMENT ON COLUMN rfq_response_lines.line_number IS 'rfq_lines.line_number';
COMMENT ON COLUMN rfq_response_lines.unit_price IS 'Per rfq_lines.unit_of_measure, in the currency of the offer';
COMMENT ON COLUMN rfq_response_lines.total_price IS 'rfq_lines.quantity * unit_price, to 2 places';
COMMENT ON COLUMN rfq_response_lines.lead_time_days IS 'Calendar days from order to delivery';
COMMENT ON COLUMN rfq_response_lines.deviation_notes IS 'NULL when meets_specifications';
COMMENT ON COLUMN rfq_response_lines.alternate_material_id IS 'Other material offered; NULL: none';
COMMENT ON COLUMN rfq_response_lines.alternate_unit_price IS 'NULL without an alternative';

CREATE TABLE quote_comparison (
    comparison_id           VARCHAR(50) PRIMARY KEY,
    rfq_id                  VARCHAR(50) NOT NULL,
    comparison_date         DATE NOT NULL,
    compared_by             VARCHAR(50),
    price_weight            DECIMAL(5,2) DEFAULT 40.0,
    quality_weight          DECIMAL(5,2) DEFAULT 30.0,
    delivery_weight         DECIMAL(5,2) DEFAULT 20.0,
    service_weight          DECIMAL(5,2) DEFAULT 10.0,
    recommended_supplier_id VARCHAR(50),
    recommendation_notes    TEXT,
    approved_by             VARCHAR(50),
    approved_date           DATE,
    comparison_data         JSONB,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE quote_comparison IS 'Side-by-side offer scoring with weights and recommendation';
COMMENT ON COLUMN quote_comparison.comparison_id IS 'QCP-000001 ...';
COMMENT ON COLUMN quote_comparison.comparison_date IS 'After rfq_headers.response_deadline';
COMMENT ON COLUMN quote_comparison.price_weight IS 'Percent; price, quality, delivery and service weights add up to 100';
COMMENT ON COLUMN quote_comparison.recommended_supplier_id IS 'Supplier with the highest total in comparison_data';
COMMENT ON COLUMN quote_comparison.approved_by IS 'Never compared_by; NULL before approval';
COMMENT ON COLUMN quote_comparison.comparison_data IS 'Array, one object per offer: response_id, supplier_id, price_score, quality_score, delivery_score, service_score (0 to 100), total = sum of score * weight / 100';
