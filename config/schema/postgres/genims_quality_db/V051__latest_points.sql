-- The latest points of a chart, and the case that was opened of it, are found without reading all of them.

CREATE INDEX spc_data_points_chart_id_measurement_timestamp_idx ON spc_data_points (chart_id, measurement_timestamp, subgroup_number);
CREATE INDEX ncr_headers_source_document_id_idx ON ncr_headers (source_document_id) WHERE source_document_id IS NOT NULL;
