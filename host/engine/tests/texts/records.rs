//! Decisions and outcomes as lines of JSON, and logs of such lines.

use std::io::{self, BufReader, Read};

use pointsman_core::policy::{Decision, Question};
use pointsman_engine::record::{
    BadLine, LINE_BYTES_MAX, Reader, Record, RecordError, Run, line, parse,
};
use pointsman_sdk::{Outcome, UNKNOWN};

use crate::samples::{answered, every_form, selector_question};

fn outcome(ack_us: u32) -> Outcome {
    Outcome {
        decision: u64::MAX,
        path: 3,
        bytes: 1_200,
        queue_us: 40,
        ack_us,
        late: ack_us == UNKNOWN,
        duplicate_won: true,
    }
}

fn decision_record(decision: Decision) -> Record {
    Record::Decision(Box::new(decision))
}

#[test]
fn every_form_of_every_role_reads_back_as_it_was_written() {
    let run = Run { started_unix_ms: 1_764_131_000_000, pointsman: "0.1.0 \"x\"\n".to_owned() };
    let mut records: Vec<_> = every_form().into_iter().map(decision_record).collect();
    records.extend([
        Record::Run(run),
        Record::Outcome(outcome(7)),
        Record::Outcome(outcome(UNKNOWN)),
    ]);
    for record in records {
        let line = line(&record);
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(parse(&line).as_ref(), Ok(&record), "{line}");
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["v"], 1);
    }
}

#[test]
fn a_record_uses_the_words_of_a_case_file_and_leaves_out_what_is_not_known() {
    let record = decision_record(answered(7, Question::Selector(selector_question(1_200))));
    let json: serde_json::Value = serde_json::from_str(&line(&record)).unwrap();
    let decision = &json["decision"];
    assert_eq!((&decision["role"], &decision["by"]), (&"selector".into(), &"module".into()));
    assert_eq!(decision["question"]["class"], "bulk");
    assert_eq!(decision["question"]["flags"], serde_json::json!(["ordered", "charging"]));
    let path = &decision["question"]["paths"][0];
    assert_eq!((&path["srtt_us"], &path["rssi"]), (&20_000.into(), &(-70).into()));
    assert!(path.get("mtu").is_none() && decision["question"].get("deadline_left_us").is_none());
    assert_eq!(decision["verdict"]["mode"], "send");
}

#[test]
fn what_is_not_exactly_a_record_is_an_error_that_names_the_key() {
    let good = line(&decision_record(answered(7, Question::Selector(selector_question(9)))));
    let spoil = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        parse(&good.replacen(from, to, 1)).expect_err(to).to_string()
    };
    assert!(spoil("\"v\":1", "\"v\":2").contains("version 2"));
    assert!(spoil("\"v\":1", "\"w\":1").contains("version none"));
    assert!(spoil("\"number\":7", "\"number\":-7").starts_with("decision.number takes"));
    assert!(spoil("\"number\":7,", "").starts_with("decision.number is missing"));
    assert!(spoil("\"mode\":\"send\"", "\"mode\":\"sned\"").starts_with("decision.verdict.mode"));
    assert!(spoil("\"class\":\"bulk\"", "\"class\":1.5").starts_with("decision.question.class"));
    assert!(spoil("\"seed\":7", "\"sede\":7").contains("did you mean `seed`?"));
    assert!(
        spoil("\"by\":\"module\"", "\"by\":\"module\",\"strike\":\"trapped\"").contains("strike")
    );
    for wrong in [
        "",
        "null",
        "[]",
        "{}",
        "{\"v\":1}",
        "{\"v\":1,\"outcome\":{}}",
        "{\"v\":1,\"outcome\":{},\"decision\":{}}",
        "{\"v\":1,\"decision\":[]}",
        "{\"v\":1,\"run\":7}",
        "{\"v\":1,\"decision\":{\"role\":\"failover\",\"question\":{},\"verdict\":{\"does\":\"dial\"}}}",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn hostile_lines_are_errors_and_cost_no_more_than_their_length() {
    let deep = "[".repeat(LINE_BYTES_MAX);
    assert!(matches!(parse(&deep), Err(RecordError::NotJson(_))));
    assert_eq!(parse(&" ".repeat(LINE_BYTES_MAX + 1)), Err(RecordError::TooLong));
    let wide = format!(
        r#"{{"v":1,"decision":{{"number":1,"generation":1,"by":"module","role":"selector","question":{{"paths":[{}{{}}]}},"verdict":{{"mode":"hold"}}}}}}"#,
        "{},".repeat(10_000)
    );
    assert!(parse(&wide).unwrap_err().to_string().contains("paths has more than 16 items"));
}

/// All that a log tells: records, and the bad lines.
fn read(log: impl Read) -> (Vec<Record>, Vec<BadLine>, bool) {
    let mut reader = Reader::new(BufReader::with_capacity(64, log));
    let (mut records, mut bad) = (Vec::new(), Vec::new());
    while let Some(next) = reader.next_record().unwrap() {
        match next {
            Ok(record) => records.push(record),
            Err(line) => bad.push(line),
        }
    }
    (records, bad, reader.torn())
}

#[test]
fn a_log_is_read_past_its_bad_lines_and_a_torn_last_line_is_left_out() {
    let good = line(&Record::Outcome(outcome(7)));
    let long = "x".repeat(LINE_BYTES_MAX + 10);
    let log = [
        good.as_bytes(),
        b"\n\n{}\r\n\xff\xfe\n",
        long.as_bytes(),
        b"\n",
        good.as_bytes(),
        b"\r\n",
        &good.as_bytes()[..20],
    ]
    .concat();
    let (records, bad, torn) = read(&log[..]);
    assert_eq!(records, vec![Record::Outcome(outcome(7)); 2]);
    assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(bad[2].to_string(), format!("line 5: longer than {LINE_BYTES_MAX} bytes"));
    assert!(torn);
    let (records, bad, torn) = read(good.as_bytes());
    assert!(records.is_empty() && bad.is_empty() && torn, "without its end it may be half");
    assert_eq!(read(io::empty()), (Vec::new(), Vec::new(), false));
}

#[test]
fn a_line_without_any_end_is_never_held_whole() {
    let endless = io::repeat(b'x').take(1 << 24);
    let mut reader = Reader::new(BufReader::with_capacity(1 << 20, endless));
    assert_eq!(reader.next_record().unwrap(), None);
    assert!(reader.torn());
}
