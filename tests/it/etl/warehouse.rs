//! What the warehouse keeps by the day: the history of its dimensions, and stock as it stood on each day.

use super::{ANALYTICS, MASTER, Plant};
use chrono::Days;

const ERP: &str = "genims_erp_db";

/// A member that changes has a version more, one that is gone is kept as deleted, and facts of before keep the version of their time.
pub(super) fn history_is_kept(plant: &Plant) {
    let of = |dimension: &str, id: &str, name: &str| {
        let sql = format!(
            "SELECT CONCAT_WS(' ', {name}, version, is_current, valid_to >= '9999-12-31', status) FROM {dimension} WHERE {id} ORDER BY version"
        );
        plant.mysql(ANALYTICS, &sql)
    };
    let machine = || of("dim_machine", "machine_id = 'M1'", "machine_name");
    assert_eq!(machine(), ["Press 1 1 1 active"]);
    // Letters alone are a change, too. Who comes after the dimensions runs them.
    plant.platform.execute(MASTER, "UPDATE machines SET machine_name = 'PRESS'");
    assert_eq!(plant.days("fault_facts"), 0);
    assert_eq!(machine(), ["Press 1 0 0 active", "PRESS 2 1 1 active"]);
    let day = plant.day.to_string();
    let (success, told) = plant.etl(&["backfill", "fault_facts", "--from", &day, "--to", &day]);
    assert!(success, "{told:?}");
    let facts = "SELECT CONCAT_WS(' ', m.version, COUNT(*)) FROM fact_machine_fault f JOIN dim_machine m ON m.machine_key = f.machine_key GROUP BY m.version";
    assert_eq!(plant.mysql(ANALYTICS, facts), ["1 1"]);
    plant.platform.execute(MASTER, "INSERT INTO products (product_id, product_name) VALUES ('P3', 'Bolt')");
    plant.days("dimensions");
    plant.platform.execute(MASTER, "DELETE FROM products WHERE product_id = 'P3'");
    plant.days("dimensions");
    assert_eq!(of("dim_product", "product_id = 'P3'", "product_name"), ["Bolt 1 0 0 active", "Bolt 2 1 1 deleted"]);
    plant.days("dimensions");
    assert_eq!(machine().len(), 2, "nothing changed");
}

/// Also of days on which nothing moved; what changes on a day changes those after it.
pub(super) fn every_day_has_its_stock(plant: &Plant) {
    let days: Vec<String> = (0..4).map(|after| (plant.day + Days::new(after)).format("%Y%m%d").to_string()).collect();
    let stock = || {
        assert!(plant.days("inventory_facts") > 0);
        let sql = format!(
            "SELECT CONCAT_WS(' ', CAST(quantity_on_hand AS SIGNED), movement_count) FROM fact_inventory_daily \
             WHERE material_id = 'X1' AND date_key IN ({}) ORDER BY date_key",
            days.join(", ")
        );
        plant.mysql(ANALYTICS, &sql)
    };
    let third = plant.day + Days::new(2);
    plant.platform.execute(
        ERP,
        &format!(
            "INSERT INTO materials (material_id, material_code, material_name, material_type, base_unit_of_measure) VALUES ('X1', 'X1', 'Sheet', 'raw_material', 'EA'); \
             INSERT INTO inventory_transactions (transaction_id, transaction_type, movement_type, posting_date, document_date, material_id, plant_id, quantity, unit_of_measure) \
             VALUES ('T1', 'goods_receipt', '101', '{day}', '{day}', 'X1', 'F1', 10, 'EA'), ('T2', 'goods_issue', '201', '{third}', '{third}', 'X1', 'F1', -4, 'EA')",
            day = plant.day
        ),
    );
    assert_eq!(stock(), ["10 1", "10 0", "6 1", "6 0"]);
    plant.platform.execute(ERP, "UPDATE inventory_transactions SET quantity = 12 WHERE transaction_id = 'T1'");
    assert_eq!(stock(), ["12 1", "12 0", "8 1", "8 0"]);
    plant.platform.execute(ERP, "DELETE FROM inventory_transactions WHERE transaction_id = 'T2'");
    assert_eq!(stock(), ["12 1", "12 0", "12 0", "12 0"]);
}
