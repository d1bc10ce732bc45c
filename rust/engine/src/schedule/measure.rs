//! Measures: what can be promised of a position, as others read it.

use crate::atp::UNLIMITED;
use crate::core::Core;
use crate::output::effect::write_name;
use crate::schedule::Schedule;
use crate::stock::Spot;
use tallystick_contract::json_text::write_string;
use tallystick_contract::quantity;

impl Schedule {
    /// Appends what can be promised of a position beyond what is there, as members of its availability.
    pub(crate) fn write_promise(&self, core: &Core, spot: Spot, out: &mut Vec<u8>) {
        if self.promised(core, spot).is_some() {
            let site = self.site(core, spot, None);
            let mode = core.config.promise.mode;
            out.extend_from_slice(b",\"promise\":{\"mode\":\"");
            out.extend_from_slice(mode.name().as_bytes());
            out.extend_from_slice(b"\",\"buckets\":");
            Self::write_steps(core, out, &self.steps(core, &site, mode));
            out.push(b'}');
        }
        if !core.config.promise.measures.is_empty() {
            self.write_measures(core, out, spot);
        }
    }

    /// Appends `[[bucket, figure], …]`.
    pub(crate) fn write_steps(core: &Core, out: &mut Vec<u8>, steps: &[(i32, i64)]) {
        out.push(b'[');
        for (number, (bucket, figure)) in steps.iter().enumerate() {
            out.extend_from_slice(if number > 0 { b",[" } else { b"[" });
            write_string(out, &core.bucket_text(*bucket));
            out.push(b',');
            write_figure(out, *figure);
            out.push(b']');
        }
        out.push(b']');
    }

    /// Appends the figures of all measures of a position, as a member.
    pub(crate) fn write_measures(&self, core: &Core, out: &mut Vec<u8>, spot: Spot) {
        write_name(out, "measures");
        for (number, measure) in core.config.promise.measures.iter().enumerate() {
            let site = self.site(core, spot, Some(measure));
            out.push(if number > 0 { b',' } else { b'{' });
            write_string(out, &measure.name);
            out.push(b':');
            write_figure(out, self.figure(core, &site, core.config.promise.mode, site.horizon.today));
        }
        out.push(b'}');
    }
}

/// Appends a figure; nothing where it has no limit.
pub(crate) fn write_figure(out: &mut Vec<u8>, figure: i64) {
    if figure == UNLIMITED {
        out.extend_from_slice(b"null");
    } else {
        quantity::write(out, figure);
    }
}
