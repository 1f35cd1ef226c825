lt_test(ops_verify DEPS ops core test_harness lt_test_core_world)
lt_test(ops_topic_book DEPS ops core test_harness lt_test_core_world)
lt_test(ops_queue_repair DEPS ops core test_harness)
foreach(call lt_admin_new lt_admin_free lt_admin_group_offsets lt_reader_new lt_reader_free lt_ledger_read lt_repair_begin
             lt_repair_free lt_repair_offset lt_repair_record lt_repair_commit)
  target_link_options(test_ops_queue_repair PRIVATE -Wl,--wrap=${call})
endforeach()
