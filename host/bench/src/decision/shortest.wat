;; The policy of this measurement: of the paths that are up, neither suspect nor masked, and
;; have room for the head, the one with the smallest round trip; else hold for 10 ms.
(func $shortest (param $head i32) (param $list i32) (param $length i32) (result i64)
  (local $stride i32) (local $row i32) (local $end i32) (local $at i32)
  (local $best i32) (local $verdict i64)
  (local.set $verdict (i64.const 0x6400004))
  (local.set $best (i32.const -1))
  (local.set $stride (i32.shl (i32.load (local.get $list)) (i32.const 2)))
  (local.set $row (i32.add (local.get $list) (i32.const 4)))
  (local.set $end (i32.add (local.get $list) (i32.shl (local.get $length) (i32.const 2))))
  (block $done
    (loop $rows
      (br_if $done (i32.gt_u (i32.add (local.get $row) (local.get $stride)) (local.get $end)))
      (if (i32.and
            (i32.and
              (i32.eq (i32.and (i32.load offset=8 (local.get $row)) (i32.const 0x83)) (i32.const 1))
              (i32.ge_u (i32.load offset=44 (local.get $row)) (local.get $head)))
            (i32.lt_u (i32.load offset=20 (local.get $row)) (local.get $best)))
        (then
          (local.set $best (i32.load offset=20 (local.get $row)))
          (local.set $verdict
            (i64.or (i64.const 1)
              (i64.shl (i64.const 16) (i64.extend_i32_u (local.get $at)))))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $row (i32.add (local.get $row) (local.get $stride)))
      (br $rows)))
  (local.get $verdict))
