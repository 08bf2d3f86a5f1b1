-- References inside the database. Deferrable, so that rows that refer to each other can be loaded in one transaction.
-- References to other databases are in references.csv; `genims verify` checks both kinds.

ALTER TABLE line_product_mapping ADD CONSTRAINT line_product_mapping_line_id_fkey FOREIGN KEY (line_id) REFERENCES production_lines (line_id) DEFERRABLE;
CREATE INDEX line_product_mapping_line_id_idx ON line_product_mapping (line_id);
ALTER TABLE line_product_mapping ADD CONSTRAINT line_product_mapping_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (product_id) DEFERRABLE;
CREATE INDEX line_product_mapping_product_id_idx ON line_product_mapping (product_id);
ALTER TABLE line_product_mapping ADD CONSTRAINT line_product_mapping_factory_id_fkey FOREIGN KEY (factory_id) REFERENCES factories (factory_id) DEFERRABLE;
CREATE INDEX line_product_mapping_factory_id_idx ON line_product_mapping (factory_id);
ALTER TABLE customer_product_mapping ADD CONSTRAINT customer_product_mapping_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers (customer_id) DEFERRABLE;
CREATE INDEX customer_product_mapping_customer_id_idx ON customer_product_mapping (customer_id);
ALTER TABLE customer_product_mapping ADD CONSTRAINT customer_product_mapping_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (product_id) DEFERRABLE;
CREATE INDEX customer_product_mapping_product_id_idx ON customer_product_mapping (product_id);
ALTER TABLE departments ADD CONSTRAINT departments_parent_department_id_fkey FOREIGN KEY (parent_department_id) REFERENCES departments (department_id) DEFERRABLE;
CREATE INDEX departments_parent_department_id_idx ON departments (parent_department_id);
ALTER TABLE departments ADD CONSTRAINT departments_factory_id_fkey FOREIGN KEY (factory_id) REFERENCES factories (factory_id) DEFERRABLE;
CREATE INDEX departments_factory_id_idx ON departments (factory_id);
ALTER TABLE departments ADD CONSTRAINT departments_department_head_id_fkey FOREIGN KEY (department_head_id) REFERENCES employees (employee_id) DEFERRABLE;
CREATE INDEX departments_department_head_id_idx ON departments (department_head_id);
ALTER TABLE companies ADD CONSTRAINT companies_parent_company_id_fkey FOREIGN KEY (parent_company_id) REFERENCES companies (company_id) DEFERRABLE;
CREATE INDEX companies_parent_company_id_idx ON companies (parent_company_id);
ALTER TABLE companies ADD CONSTRAINT companies_headquarters_factory_id_fkey FOREIGN KEY (headquarters_factory_id) REFERENCES factories (factory_id) DEFERRABLE;
CREATE INDEX companies_headquarters_factory_id_idx ON companies (headquarters_factory_id);
ALTER TABLE materials ADD CONSTRAINT materials_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (product_id) DEFERRABLE;
CREATE INDEX materials_product_id_idx ON materials (product_id);
ALTER TABLE materials ADD CONSTRAINT materials_data_steward_id_fkey FOREIGN KEY (data_steward_id) REFERENCES employees (employee_id) DEFERRABLE;
CREATE INDEX materials_data_steward_id_idx ON materials (data_steward_id);
ALTER TABLE suppliers ADD CONSTRAINT suppliers_parent_supplier_id_fkey FOREIGN KEY (parent_supplier_id) REFERENCES suppliers (supplier_id) DEFERRABLE;
CREATE INDEX suppliers_parent_supplier_id_idx ON suppliers (parent_supplier_id);
ALTER TABLE suppliers ADD CONSTRAINT suppliers_data_steward_id_fkey FOREIGN KEY (data_steward_id) REFERENCES employees (employee_id) DEFERRABLE;
CREATE INDEX suppliers_data_steward_id_idx ON suppliers (data_steward_id);
ALTER TABLE warehouses ADD CONSTRAINT warehouses_company_id_fkey FOREIGN KEY (company_id) REFERENCES companies (company_id) DEFERRABLE;
CREATE INDEX warehouses_company_id_idx ON warehouses (company_id);
ALTER TABLE warehouses ADD CONSTRAINT warehouses_factory_id_fkey FOREIGN KEY (factory_id) REFERENCES factories (factory_id) DEFERRABLE;
CREATE INDEX warehouses_factory_id_idx ON warehouses (factory_id);
ALTER TABLE warehouses ADD CONSTRAINT warehouses_manager_id_fkey FOREIGN KEY (manager_id) REFERENCES employees (employee_id) DEFERRABLE;
CREATE INDEX warehouses_manager_id_idx ON warehouses (manager_id);
