//! Keys and certificates as text. As Kafka reads them: line breaks may be missing, as in a value of a properties file, and
//! anything may stand between the blocks.

/// The blocks of a text, each with its label and its bytes.
pub fn blocks(text: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, after) = after.split_once("-----").ok_or("a PEM block does not say what it is")?;
        let end = format!("-----END {label}-----");
        let (body, after) = after.split_once(&end).ok_or_else(|| format!("the PEM block {label} has no end"))?;
        let bytes = decode(body).ok_or_else(|| format!("the PEM block {label} is no base64"))?;
        blocks.push((label.to_owned(), bytes));
        rest = after;
    }
    Ok(blocks)
}

/// Base64 with blanks and line breaks anywhere.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digits = digits.strip_suffix(b"==").or_else(|| digits.strip_suffix(b"=")).unwrap_or(&digits);
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_and_without_line_breaks() {
        let text = "Bag Attributes\n-----BEGIN A B-----\nAQ\n ID\n-----END A B-----\nnoise -----BEGIN C----- AQI= -----END C-----";
        assert_eq!(blocks(text).unwrap(), [("A B".to_owned(), vec![1, 2, 3]), ("C".to_owned(), vec![1, 2])]);
        assert_eq!(blocks("nothing").unwrap(), []);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        for text in ["-----BEGIN A", "-----BEGIN A-----\nAQ", "-----BEGIN A-----\nA!\n-----END A-----"] {
            assert!(blocks(text).is_err(), "{text}");
        }
    }
}
