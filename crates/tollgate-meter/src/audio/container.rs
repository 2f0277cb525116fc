//! Whether audio begins as a container or a coded stream does, which says itself what is in it.

/// How they begin.
const STARTS: [&[u8]; 20] = [
    b"RIFF",
    b"RIFX",
    b"RF64",
    b"BW64",
    b"riff",
    b"OggS",
    b"fLaC",
    b"ID3",
    b"FORM",
    b"caff",
    b".snd",
    b"#!AMR",
    b"wvpk",
    b"ADIF",
    b"FLV",
    b"\x1a\x45\xdf\xa3", // Matroska, WebM
    b"\x30\x26\xb2\x75", // ASF
    b"\x00\x00\x01\xba", // MPEG
    b"\x0b\x77",         // AC-3
    b"NIST_1A",
];

/// Bytes of a packet of an MPEG transport stream, and what each begins with.
const PACKET: (usize, u8) = (188, 0x47);

/// Whether a file begins so.
pub(crate) fn begins(file: &[u8]) -> bool {
    STARTS.iter().any(|start| file.starts_with(start))
        || file.get(4..8) == Some(b"ftyp")
        || (file.first() == Some(&PACKET.1) && file.get(PACKET.0) == Some(&PACKET.1))
        || matches!(file, [0xFF, second, third, ..] if is_frame(*second, *third))
}

/// Whether a frame of MPEG audio, MP3 or AAC, goes on so; the `FF FF FF` of quiet samples is none.
const fn is_frame(second: u8, third: u8) -> bool {
    let is_aac = second & 0xF6 == 0xF0 && (third >> 2) & 0xF < 13;
    let (version, layer) = ((second >> 3) & 3, (second >> 1) & 3);
    let is_known = version != 1 && layer != 0 && third >> 4 != 0xF && (third >> 2) & 3 != 3;
    is_aac || (second & 0xE0 == 0xE0 && is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_and_frames_are_told_from_samples() {
        for file in [
            &b"OggS\0\x02"[..],
            b"\0\0\0\x20ftypM4A ",
            b"ID3\x04",
            b"\xff\xfb\x90\x64",
            b"\xff\xf1\x50\x80",
        ] {
            assert!(begins(file), "{file:?}");
        }
        let mut packets = [0; 400];
        (packets[0], packets[188]) = (0x47, 0x47);
        assert!(begins(&packets));
        for file in [&b""[..], b"\0\0\0\0\0\0\0\0", b"\xff\xff\xff\xff", b"\xfe\xff\xfe\xff", b"G"]
        {
            assert!(!begins(file), "{file:?}");
        }
    }
}
