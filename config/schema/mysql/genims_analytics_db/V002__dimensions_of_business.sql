-- Products, materials, customers, suppliers, staff and fault codes. Versions as in V001. Staff without personal data: no
-- name, contact, birth, pay or exact date, only what groups them.

CREATE TABLE dim_product (
    product_key                 INT NOT NULL AUTO_INCREMENT,
    product_id                  VARCHAR(50) NOT NULL          COMMENT 'genims_master_db.products.product_id, unknown for row 0',
    product_code                VARCHAR(50),
    product_name                VARCHAR(200) NOT NULL,
    product_category            VARCHAR(100),
    product_type                VARCHAR(100),
    material_type               VARCHAR(100),
    bill_of_material_complexity VARCHAR(50)                   COMMENT 'low, medium, high',
    number_of_components        INT,
    standard_cycle_time_seconds INT,
    target_quality_ppm          INT,
    unit_weight_kg              DECIMAL(10,3),
    status                      VARCHAR(20),
    valid_from                  DATETIME(6) NOT NULL          COMMENT 'First moment of the version, UTC: 1970-01-01 00:00:00 for version 1, else when the load saw the change',
    valid_to                    DATETIME(6) NOT NULL DEFAULT '9999-12-31 00:00:00.000000' COMMENT 'First moment after the version, valid_from of the next one, 9999-12-31 for the current one',
    is_current                  BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'The one version with valid_to 9999-12-31',
    version                     INT NOT NULL DEFAULT 1        COMMENT '1, 2, 3 ... per natural key',
    PRIMARY KEY (product_key),
    UNIQUE KEY dim_product_uk (product_id, valid_from),
    KEY dim_product_product_id_is_current_idx (product_id, is_current),
    KEY dim_product_product_category_idx (product_category),
    CHECK (valid_from < valid_to)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Grain: product and version. Type 2. Source: genims_master_db.products';

CREATE TABLE dim_material (
    material_key          INT NOT NULL AUTO_INCREMENT,
    material_id           VARCHAR(50) NOT NULL          COMMENT 'genims_erp_db.materials.material_id, unknown for row 0',
    material_code         VARCHAR(50),
    material_name         VARCHAR(200) NOT NULL,
    material_type         VARCHAR(50)                   COMMENT 'raw_material, component, semi_finished, finished_good, packaging, consumable, spare_part',
    material_group        VARCHAR(50),
    product_id            VARCHAR(50)                   COMMENT 'Product that a finished good is, else NULL',
    base_unit_of_measure  VARCHAR(20),
    procurement_type      VARCHAR(30)                   COMMENT 'purchased, manufactured, both',
    default_supplier_id   VARCHAR(50),
    default_supplier_name VARCHAR(200),
    abc_classification    VARCHAR(1)                    COMMENT 'A, B, C',
    valuation_class       VARCHAR(50),
    standard_cost         DECIMAL(15,4)                 COMMENT 'Rupees for one base unit, a new cost is a new version',
    lead_time_days        INT,
    reorder_point         DECIMAL(15,4),
    safety_stock          DECIMAL(15,4),
    shelf_life_days       INT,
    material_status       VARCHAR(30),
    valid_from            DATETIME(6) NOT NULL          COMMENT 'First moment of the version, UTC: 1970-01-01 00:00:00 for version 1, else when the load saw the change',
    valid_to              DATETIME(6) NOT NULL DEFAULT '9999-12-31 00:00:00.000000' COMMENT 'First moment after the version, valid_from of the next one, 9999-12-31 for the current one',
    is_current            BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'The one version with valid_to 9999-12-31',
    version               INT NOT NULL DEFAULT 1        COMMENT '1, 2, 3 ... per natural key',
    PRIMARY KEY (material_key),
    UNIQUE KEY dim_material_uk (material_id, valid_from),
    KEY dim_material_material_id_is_current_idx (material_id, is_current),
    KEY dim_material_material_type_material_group_idx (material_type, material_group),
    CHECK (valid_from < valid_to)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Grain: material and version. Type 2. Source: genims_erp_db.materials, suppliers (default supplier)';

CREATE TABLE dim_customer (
    customer_key                    INT NOT NULL AUTO_INCREMENT,
    customer_id                     VARCHAR(50) NOT NULL          COMMENT 'genims_master_db.customers.customer_id, unknown for row 0',
    customer_code                   VARCHAR(50),
    customer_name                   VARCHAR(200) NOT NULL         COMMENT 'Company name',
    customer_type                   VARCHAR(50),
    country                         VARCHAR(100),
    region                          VARCHAR(100),
    industry_segment                VARCHAR(100),
    account_tier                    VARCHAR(20)                   COMMENT 'genims_crm_db.accounts.account_tier, NULL without account',
    quality_rating                  VARCHAR(20),
    payment_terms_days              INT,
    annual_volume_estimate          INT,
    sla_on_time_delivery_percentage DECIMAL(5,2),
    sla_quality_ppm_max             INT,
    status                          VARCHAR(20),
    valid_from                      DATETIME(6) NOT NULL          COMMENT 'First moment of the version, UTC: 1970-01-01 00:00:00 for version 1, else when the load saw the change',
    valid_to                        DATETIME(6) NOT NULL DEFAULT '9999-12-31 00:00:00.000000' COMMENT 'First moment after the version, valid_from of the next one, 9999-12-31 for the current one',
    is_current                      BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'The one version with valid_to 9999-12-31',
    version                         INT NOT NULL DEFAULT 1        COMMENT '1, 2, 3 ... per natural key',
    PRIMARY KEY (customer_key),
    UNIQUE KEY dim_customer_uk (customer_id, valid_from),
    KEY dim_customer_customer_id_is_current_idx (customer_id, is_current),
    KEY dim_customer_region_industry_segment_idx (region, industry_segment),
    CHECK (valid_from < valid_to)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Grain: customer and version. Type 2. Source: genims_master_db.customers, genims_crm_db.accounts by customer_id (account_tier of the active account with the lowest account_id)';

CREATE TABLE dim_supplier (
    supplier_key         INT NOT NULL AUTO_INCREMENT,
    supplier_id          VARCHAR(50) NOT NULL          COMMENT 'genims_erp_db.suppliers.supplier_id, unknown for row 0',
    supplier_code        VARCHAR(50),
    supplier_name        VARCHAR(200) NOT NULL,
    supplier_type        VARCHAR(50),
    country              VARCHAR(50),
    city                 VARCHAR(100),
    currency             VARCHAR(3),
    payment_terms        VARCHAR(50),
    certification_status VARCHAR(100),
    quality_rating       DECIMAL(5,2),
    supplier_status      VARCHAR(30),
    blocked_for_orders   BOOLEAN,
    valid_from           DATETIME(6) NOT NULL          COMMENT 'First moment of the version, UTC: 1970-01-01 00:00:00 for version 1, else when the load saw the change',
    valid_to             DATETIME(6) NOT NULL DEFAULT '9999-12-31 00:00:00.000000' COMMENT 'First moment after the version, valid_from of the next one, 9999-12-31 for the current one',
    is_current           BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'The one version with valid_to 9999-12-31',
    version              INT NOT NULL DEFAULT 1        COMMENT '1, 2, 3 ... per natural key',
    PRIMARY KEY (supplier_key),
    UNIQUE KEY dim_supplier_uk (supplier_id, valid_from),
    KEY dim_supplier_supplier_id_is_current_idx (supplier_id, is_current),
    KEY dim_supplier_country_idx (country),
    CHECK (valid_from < valid_to)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Grain: supplier and version. Type 2. Source: genims_erp_db.suppliers. Contact persons are left out';

CREATE TABLE dim_employee (
    employee_key  INT NOT NULL AUTO_INCREMENT,
    employee_id   VARCHAR(50) NOT NULL        COMMENT 'genims_master_db.employees.employee_id, unknown for row 0',
    factory_id    VARCHAR(50),
    factory_name  VARCHAR(200),
    line_id       VARCHAR(50)                 COMMENT 'NULL: staff of the whole plant',
    employee_role VARCHAR(100)                COMMENT 'employees.role',
    department    VARCHAR(100),
    skill_level   VARCHAR(50)                 COMMENT 'trainee, skilled, senior, expert',
    shift_code    VARCHAR(20)                 COMMENT 'employees.shift',
    tenure_band   VARCHAR(20)                 COMMENT 'Whole years from employees.hire_date to the load: under_1, 1_to_2, 3_to_5, 6_to_10, over_10',
    status        VARCHAR(20),
    PRIMARY KEY (employee_key),
    UNIQUE KEY dim_employee_uk (employee_id),
    KEY dim_employee_factory_id_employee_role_idx (factory_id, employee_role),
    CHECK (tenure_band IN ('under_1', '1_to_2', '3_to_5', '6_to_10', 'over_10'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Grain: employee. Type 1. Source: genims_master_db.employees (employee_id, factory_id, line_id, role, department, skill_level, shift, hire_date, status only), factories. No personal data: the key says nothing without the master';

CREATE TABLE dim_fault_code (
    fault_code_key   INT NOT NULL AUTO_INCREMENT,
    code_list        VARCHAR(20) NOT NULL           COMMENT 'machine_fault, downtime_reason, maintenance_failure, unknown for row 0',
    fault_code       VARCHAR(50) NOT NULL           COMMENT 'machine_faults.fault_code, downtime_events.downtime_reason_code or failure_codes.failure_code, unknown when empty',
    fault_category   VARCHAR(50) NOT NULL           COMMENT 'machine_faults.fault_category, downtime_events.downtime_category or failure_codes.failure_class, unknown when empty',
    fault_severity   VARCHAR(20) NOT NULL           COMMENT 'low, medium, high, critical, unknown when empty and for every downtime_reason',
    code_description VARCHAR(200)                   COMMENT 'Of the list: first 200 characters of the lowest downtime_reason_description, or failure_codes.failure_description, NULL for machine_fault',
    is_planned_stop  BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'downtime_reason with fault_category setup or planned_maintenance',
    PRIMARY KEY (fault_code_key),
    UNIQUE KEY dim_fault_code_uk (code_list, fault_code, fault_category, fault_severity),
    KEY dim_fault_code_fault_category_fault_severity_idx (fault_category, fault_severity),
    CHECK (code_list IN ('machine_fault', 'downtime_reason', 'maintenance_failure', 'unknown'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Grain: code, category and severity within its list. Type 1. Sources: DISTINCT of genims_operations_db.machine_faults (fault_code, fault_category, fault_severity), genims_manufacturing_db.downtime_events (downtime_reason_code, downtime_category), genims_maintenance_db.failure_codes (failure_code, failure_class, severity)';
