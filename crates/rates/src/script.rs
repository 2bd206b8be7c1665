//! The script that hears statements, and how they are written to it and answers read.

use keystile_verify::{Answer, Grant, RESERVED_MILLIS, Statement};
use redis::{Script, ScriptInvocation};

/// Tells the time by the clock of Redis, in milliseconds.
const CLOCK: &str = "\
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
";
const STATE: &str = include_str!("state.lua");
/// What all keys begin with; the braces keep them together where Redis spreads keys by what is in them.
const PREFIX: &str = "{keystile}:rates";
/// For so long nothing is reserved after something was forgotten: whoever has something reserved has stated it by then, or may use it no more.
const HOLD_MILLIS: u64 = RESERVED_MILLIS + 200;
/// Numbers of an answer before the levels.
const BEFORE_LEVELS: usize = 6;

/// The script, for whoever has a connection.
pub struct RateScript {
    script: Script,
    epoch: String,
}

/// What it answers, before it is read.
pub type Call = (u64, u64, Vec<Option<Vec<u64>>>);

impl RateScript {
    /// By the clock of Redis.
    pub fn new() -> Self {
        Self::by(CLOCK)
    }

    /// By another clock: text that defines the function `clock`.
    pub fn by(clock: &str) -> Self {
        Self { script: Script::new(&format!("{clock}{STATE}")), epoch: format!("{PREFIX}:since") }
    }

    /// Has it hear what `node` states.
    pub fn invocation(&self, node: &str, nodes: u64, statements: &[Statement]) -> ScriptInvocation<'_> {
        let mut call = self.script.prepare_invoke();
        call.key(&self.epoch).arg(node).arg(RESERVED_MILLIS).arg(HOLD_MILLIS).arg(nodes);
        for statement in statements {
            call.key(format!("{PREFIX}:{}", statement.owner));
            write(&mut call, statement);
        }
        call
    }

    /// What was answered to so many statements; `None` if it makes no sense.
    pub fn read(call: Call, statements: &[Statement]) -> Option<Answer> {
        let (epoch, unsettled_millis, told) = call;
        if told.len() != statements.len() {
            return None;
        }
        let grants = told
            .into_iter()
            .map(|told| match told {
                Some(told) => grant(&told).map(Some),
                None => Some(None),
            })
            .collect::<Option<_>>()?;
        Some(Answer { epoch, unsettled_millis, grants })
    }
}

impl Default for RateScript {
    fn default() -> Self {
        Self::new()
    }
}

fn write(call: &mut ScriptInvocation<'_>, statement: &Statement) {
    let Statement { since, number, answered, total, back, total_known, kept, want, was_alone, .. } =
        statement;
    call.arg(since).arg(number).arg(answered).arg(total).arg(back).arg(total_known).arg(kept);
    call.arg(u8::from(*was_alone));
    call.arg(want.most).arg(want.need).arg(want.least);
    let rates = statement.rates.as_slice();
    call.arg(rates.len());
    for (rate, floor) in rates.iter().zip(&statement.floors) {
        let units = rate.units();
        call.arg(rate.name()).arg(units.cell).arg(units.leak).arg(units.room).arg(floor);
    }
}

fn grant(told: &[u64]) -> Option<Grant> {
    let levels = told.get(BEFORE_LEVELS..)?.into();
    let [keeps, granted, unsettled_millis, wait_millis, place, others] =
        told.get(..BEFORE_LEVELS)?.try_into().ok()?;
    let place = usize::try_from(place).ok()?;
    Some(Grant { keeps: keeps == 1, granted, unsettled_millis, wait_millis, place, others, levels })
}
