-- A person has one attendance a day: a second writer finds the first one's row.

CREATE UNIQUE INDEX attendance_records_employee_id_attendance_date_key ON attendance_records (employee_id, attendance_date);
DROP INDEX attendance_records_employee_id_attendance_date_idx;
