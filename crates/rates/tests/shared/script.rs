//! What the script answers, by a real Redis whose clock the test sets.

use keystile_core::{RateLimit, Rates};
use keystile_rates::RateScript;
use keystile_testkit::redis::Redis;
use keystile_verify::{Grant, RESERVED_MILLIS, Statement, Want};
use redis::Connection;

const CLOCK: &str = "local function clock() return tonumber(redis.call('GET', 'now')) end\n";
const BEGIN: u64 = 1_900_000_000_000;
/// Longer than a Redis that has just begun reserves nothing.
const SETTLED: u64 = 5_000;

struct World {
    _redis: Redis,
    connection: Connection,
    script: RateScript,
    now: u64,
}

/// Sixty requests a minute, so one a second, of which ten may come at once.
fn sixty() -> Rates {
    limited(60, 10)
}

fn limited(limit: u64, burst: u64) -> Rates {
    Rates::new(
        None,
        &[RateLimit { name: "a".into(), limit, window_seconds: 60, burst: Some(burst), when_away: None }],
    )
}

fn statement(number: u64, total: i64, kept: u64, most: u64) -> Statement {
    Statement {
        owner: "requests:one".into(),
        rates: sixty(),
        number,
        since: 1,
        answered: number - 1,
        total,
        back: 0,
        total_known: 0,
        kept,
        returned: 0,
        want: Want { most, need: most, least: most.min(1) },
        was_alone: false,
        floors: [0].into_iter().collect(),
    }
}

impl World {
    /// After the first second, in which nothing is reserved.
    fn settled() -> Self {
        let mut world = Self::new();
        assert_eq!(world.answer("a", &[]).1, 1_200);
        world.now += SETTLED;
        world
    }

    fn new() -> Self {
        let redis = Redis::start();
        let connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
        Self { _redis: redis, connection, script: RateScript::by(CLOCK), now: BEGIN }
    }

    fn answer(&mut self, node: &str, statements: &[Statement]) -> (Vec<Option<Grant>>, u64) {
        redis::cmd("SET").arg("now").arg(self.now).exec(&mut self.connection).unwrap();
        let call = self.script.invocation(node, 2, statements).invoke(&mut self.connection).unwrap();
        let answer = RateScript::read(call, statements).unwrap();
        (answer.grants, answer.unsettled_millis)
    }

    fn state(&mut self, node: &str, statement: &Statement) -> Grant {
        self.answer(node, std::slice::from_ref(statement)).0.remove(0).unwrap()
    }

    /// Requests that the level stands for.
    fn used(grant: &Grant) -> u64 {
        grant.levels[0] / sixty().as_slice()[0].units().cell
    }
}

#[test]
fn what_one_node_has_reserved_no_other_is_given() {
    let mut world = World::settled();
    assert_eq!(world.state("a", &statement(1, 0, 0, 10)).granted, 10);
    let refused = world.state("b", &statement(1, 0, 0, 1));
    assert_eq!((refused.granted, refused.others, refused.wait_millis), (0, 10, 1_000));
    // It uses four and gives back the rest.
    let told = world.state("a", &statement(2, 4, 0, 0));
    assert_eq!((World::used(&told), told.keeps), (4, true));
    let all = Statement { want: Want { most: 10, need: 10, least: 10 }, ..statement(2, 0, 0, 0) };
    assert_eq!(world.state("b", &all).granted, 0, "less than is of use is not reserved");
    let some = Statement { want: Want { most: 10, need: 10, least: 1 }, ..statement(3, 0, 0, 0) };
    assert_eq!(world.state("b", &some).granted, 6);
}

#[test]
fn where_few_are_left_nobody_reserves_ahead() {
    let mut world = World::settled();
    let ahead = Statement { want: Want { most: 10, need: 1, least: 1 }, ..statement(1, 0, 0, 0) };
    assert_eq!(world.state("a", &ahead).granted, 2, "a half of ten, for two nodes");
    assert_eq!(world.state("b", &ahead).granted, 2);
    let last = Statement { number: 2, answered: 1, kept: 2, ..ahead };
    assert_eq!(world.state("a", &last).granted, 1, "but always what those need who wait");
}

#[test]
fn what_has_lapsed_counts_as_used_and_is_not_counted_again() {
    let mut world = World::settled();
    assert_eq!(world.state("a", &statement(1, 0, 0, 8)).granted, 8);
    world.now += RESERVED_MILLIS + 500;
    let other = world.state("b", &statement(1, 0, 0, 1));
    assert_eq!((other.granted, other.others), (1, 0));
    assert_eq!(other.levels[0], 7_500, "eight, half a second after they have lapsed");
    // Five were used, and it believes to have three.
    let told = world.state("a", &statement(2, 5, 3, 5));
    assert_eq!((told.keeps, told.granted, told.levels[0]), (false, 0, 7_500));
    // One more was used before it was told; from now on it reserves as before.
    let told = world.state("a", &statement(3, 6, 0, 1));
    assert_eq!((told.keeps, told.granted, told.levels[0]), (true, 1, 7_500));
    assert_eq!(world.state("a", &statement(4, 7, 0, 0)).levels[0], 8_500);
}

#[test]
fn a_statement_is_heard_once_and_not_behind_a_later_one() {
    let mut world = World::settled();
    world.state("a", &statement(2, 3, 0, 5));
    for late in [statement(1, 1, 9, 9), statement(2, 3, 0, 5)] {
        assert_eq!(world.answer("a", &[late]).0, [None]);
    }
    // That it has reserved was never heard: it tells what it has used, and keeps nothing.
    let told = world.state("a", &Statement { answered: 0, ..statement(3, 4, 0, 0) });
    assert_eq!((World::used(&told), told.keeps), (4, true));
    assert_eq!(world.state("b", &statement(1, 0, 0, 6)).granted, 6);
}

#[test]
fn what_was_forgotten_is_told_again_before_anything_is_reserved() {
    let mut world = World::settled();
    world.state("a", &statement(1, 0, 0, 9));
    redis::cmd("FLUSHALL").exec(&mut world.connection).unwrap();
    let known = Statement { total_known: 0, floors: [5_000].into_iter().collect(), ..statement(2, 2, 4, 2) };
    let (grants, unsettled) = world.answer("a", &[known]);
    let told = grants[0].clone().unwrap();
    assert_eq!((told.granted, World::used(&told), unsettled), (0, 7, 1_200), "five were known, and two used");
    world.now += 100;
    assert_eq!(world.answer("b", &[statement(1, 0, 0, 1)]).0[0].clone().unwrap().granted, 0);
    world.now += 1_100;
    let (grants, unsettled) = world.answer("b", &[statement(2, 0, 0, 1)]);
    // Of a, which was not heard of, four have lapsed; of eleven one and a fifth have leaked out.
    assert_eq!((grants[0].clone().unwrap().granted, unsettled), (0, 0));
    world.now += 1_000;
    assert_eq!(world.state("b", &statement(3, 0, 0, 1)).granted, 1);
}

#[test]
fn what_each_node_tells_comes_on_top_of_the_most_that_one_of_them_knew() {
    let mut world = World::settled();
    let used = |grant: Option<Grant>| World::used(&grant.unwrap());
    let tell = |used: i64, known: i64| Statement {
        floors: [known].into_iter().collect(),
        ..statement(9, used, 0, 0)
    };
    redis::cmd("FLUSHALL").exec(&mut world.connection).unwrap();
    assert_eq!(used(world.answer("a", &[tell(2, 3_000)]).0.remove(0)), 5);
    // It was answered last, and knows of nothing that was told since.
    assert_eq!(used(world.answer("b", &[tell(1, 6_000)]).0.remove(0)), 9);
    // Of what it knew seconds ago more than all has leaked out, but not of what was told meanwhile.
    assert_eq!(used(world.answer("c", &[tell(1, -2_000)]).0.remove(0)), 10);
}

#[test]
fn what_is_given_back_is_taken_off_once_and_not_from_what_was_forgotten() {
    let mut world = World::settled();
    world.state("a", &statement(1, 8, 0, 0));
    let told = world.state("a", &Statement { back: 5, ..statement(2, 8, 0, 0) });
    assert_eq!(World::used(&told), 3);
    // The answer was lost: it gives the same back once more, of which one has leaked out there.
    let told = world.state("a", &Statement { answered: 1, back: 4, ..statement(3, 8, 0, 0) });
    assert_eq!(World::used(&told), 4);
    redis::cmd("FLUSHALL").exec(&mut world.connection).unwrap();
    let of_b = Statement { floors: [4_000].into_iter().collect(), ..statement(9, 0, 0, 0) };
    world.state("b", &of_b);
    let known = [3_000].into_iter().collect();
    let told =
        world.state("a", &Statement { back: 2, total_known: 7, floors: known, ..statement(4, 8, 0, 0) });
    assert_eq!(World::used(&told), 5, "one more was used than it knew to be told");
}

#[test]
fn one_owner_that_was_thrown_out_is_told_again_by_whoever_knew_it() {
    let mut world = World::settled();
    world.state("a", &statement(1, 0, 0, 9));
    redis::cmd("DEL").arg("{keystile}:rates:requests:one").exec(&mut world.connection).unwrap();
    let known = Statement { floors: [5_000].into_iter().collect(), ..statement(2, 0, 4, 2) };
    let told = world.state("a", &known);
    assert_eq!((told.granted, told.unsettled_millis, World::used(&told)), (0, 1_200, 5));
    assert_eq!(world.state("b", &statement(1, 0, 0, 1)).unsettled_millis, 1_200);
}

#[test]
fn a_changed_limit_keeps_what_is_used_and_what_is_unused_is_let_go() {
    let mut world = World::settled();
    world.state("a", &statement(1, 7, 0, 0));
    let lower = Statement { rates: limited(37, 5), ..statement(2, 7, 0, 1) };
    let told = world.state("a", &lower);
    let units = limited(37, 5).as_slice()[0].units();
    assert_eq!((told.granted, told.levels[0]), (0, 7 * units.cell));
    assert_eq!(told.wait_millis, (3 * units.cell).div_ceil(units.leak));
    let key = "{keystile}:rates:requests:one";
    let left: u64 = redis::cmd("PTTL").arg(key).query(&mut world.connection).unwrap();
    let unused = (7 * units.cell).div_ceil(units.leak);
    assert!((unused..unused + 6_000).contains(&left), "{left} ms, and nothing is used after {unused}");
}

#[test]
fn a_node_that_has_not_heard_of_a_further_limit_gives_nothing_of_it_away() {
    let mut world = World::settled();
    let named = |name: &str| RateLimit {
        name: name.into(),
        limit: 60,
        window_seconds: 60,
        burst: Some(10),
        when_away: None,
    };
    let with_both = |of_one: Statement| Statement {
        rates: Rates::new(None, &[named("a"), named("b")]),
        floors: [0, 0].into_iter().collect(),
        ..of_one
    };
    world.state("a", &with_both(statement(1, 7, 0, 0)));
    world.state("b", &statement(1, 1, 0, 0));
    assert_eq!(world.state("a", &with_both(statement(2, 7, 0, 0))).levels.as_slice(), [8_000, 8_000]);
    // Once nobody names it for a while it is a limit no more.
    world.now += 2 * RESERVED_MILLIS;
    world.state("b", &statement(2, 1, 0, 0));
    assert_eq!(world.state("a", &with_both(statement(3, 7, 0, 0))).levels.as_slice(), [6_000, 0]);
}

#[test]
fn a_clock_that_goes_back_gives_nothing_away() {
    let mut world = World::settled();
    world.state("a", &statement(1, 9, 0, 0));
    world.now -= 2_000;
    assert_eq!(World::used(&world.state("a", &statement(2, 9, 0, 0))), 9);
    world.now += 2_000;
    assert_eq!(World::used(&world.state("a", &statement(3, 9, 0, 0))), 9);
    world.now += 1_000;
    assert_eq!(World::used(&world.state("a", &statement(4, 9, 0, 0))), 8);
}
