-- What ran on a machine at a time: events that come late are of the operation that ran when they happened.

CREATE INDEX work_order_operations_machine_id_actual_start_time_idx ON work_order_operations (machine_id, actual_start_time);
CREATE INDEX work_order_operations_actual_end_time_idx ON work_order_operations (actual_end_time);
