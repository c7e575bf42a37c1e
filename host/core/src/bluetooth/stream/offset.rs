//! Offsets travel in 32 bits and wrap around; here they are positions, which never do.

/// The position of a first offset: far enough from 0 that no offset is nearer to a place before.
pub(super) fn position(start: u32) -> u64 {
    (1 << 32) + u64::from(start)
}

/// The position with this offset that is nearest to another position.
pub(super) fn nearest(to: u64, offset: u32) -> u64 {
    let distance = offset.wrapping_sub(to as u32) as i32;
    to.saturating_add_signed(i64::from(distance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_from_its_offset_when_it_is_near() {
        for start in [0, 1, u32::MAX - 5, u32::MAX] {
            let near = position(start);
            for away in [0, 1, 100, i64::from(i32::MAX), -1, -100, i64::from(i32::MIN)] {
                let there = near.saturating_add_signed(away);
                assert_eq!(nearest(near, there as u32), there, "{start} {away}");
            }
        }
    }
}
