//! Whatever form a caller sends is understood or refused, and whatever OpenAI answers is
//! metered alike at every split and passes as it is. Another model's name changes nothing else.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use tollgate_fuzz::splits_do_not_matter;
use tollgate_meter::openai::transcriptions::{scan, with_model};

const TYPE: &str = "multipart/form-data; boundary=B";

const FORM: &[u8] = b"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc\r\n--B--";

fuzz_target!(|data: &[u8]| -> Corpus {
    let [chunk, bytes @ ..] = data else { return Corpus::Reject };
    let request = scan(TYPE, FORM).expect("a request");
    splits_do_not_matter(&request, bytes, usize::from(*chunk) + 1);
    if let (Ok(read), Some(renamed)) = (scan(TYPE, bytes), with_model(TYPE, bytes, "another")) {
        let renamed = scan(TYPE, &renamed).expect("a form as before").scan;
        assert_eq!((renamed.model.as_str(), renamed.audio), ("another", read.scan.audio));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = scan(text, FORM);
    }
    Corpus::Keep
});
