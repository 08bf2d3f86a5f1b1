-- A material has one balance at a place, and one for each batch there: a second writer finds the first one's row.

CREATE UNIQUE INDEX inventory_balances_material_plant_place_batch_key
    ON inventory_balances (material_id, plant_id, storage_location, batch_number) NULLS NOT DISTINCT;
