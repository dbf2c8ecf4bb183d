/* Conditions of dependencies against every state that a dependency can be in, and the way down. */
#include "supervisor/stack/order.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* db ← web: web depends on db. */
struct world {
    struct stack_dependency dependency;
    struct stack_service services[2];
    struct stack stack;
    struct replica db, web;
    struct service_state states[2];
    struct project project;
};

static void build(struct world *w, enum stack_condition condition, bool required)
{
    *w = (struct world){ 0 };
    w->dependency = (struct stack_dependency){ 0, condition, required, false };
    w->services[0].name = "db";
    w->services[1].name = "web";
    w->services[1].depends_on = &w->dependency;
    w->services[1].depends_count = 1;
    w->stack.services = w->services;
    w->stack.service_count = 2;
    w->db.service = &w->services[0];
    w->web.service = &w->services[1];
    w->web.service_index = 1;
    w->states[0] = (struct service_state){ &w->db, 1 };
    w->states[1] = (struct service_state){ &w->web, 1 };
    w->project.stack = &w->stack;
    w->project.services = w->states;
}

static enum order_verdict ask(struct world *w, enum life_state db)
{
    char why[WHY_MAX] = "";
    w->db.state = db;
    enum order_verdict v = order_may_start(&w->project, &w->web, why);
    if (v != ORDER_GO)
        assert_non_null(strstr(why, "db"));
    return v;
}

static const enum order_verdict expected[3][LIFE_STATE_COUNT_] = {
    [STACK_DEP_STARTED] = {
        [LIFE_RUNNING] = ORDER_GO, [LIFE_HEALTHY] = ORDER_GO, [LIFE_UNHEALTHY] = ORDER_GO,
        [LIFE_STOPPED] = ORDER_NEVER, [LIFE_EXITED] = ORDER_GO, [LIFE_FAILED] = ORDER_NEVER,
    },
    [STACK_DEP_HEALTHY] = {
        [LIFE_HEALTHY] = ORDER_GO, [LIFE_STOPPED] = ORDER_NEVER, [LIFE_EXITED] = ORDER_NEVER,
        [LIFE_FAILED] = ORDER_NEVER,
    },
    [STACK_DEP_COMPLETED] = {
        [LIFE_STOPPED] = ORDER_NEVER, [LIFE_EXITED] = ORDER_GO, [LIFE_FAILED] = ORDER_NEVER,
    },
};

static enum order_verdict expect(unsigned condition, unsigned state)
{
    return expected[condition][state]; /* not named: ORDER_WAIT, which is 0 */
}

static void every_condition_in_every_state(void **state)
{
    (void)state;
    struct world w;
    assert_int_equal(ORDER_WAIT, 0);
    for (unsigned c = 0; c < 3; c++) {
        build(&w, (enum stack_condition)c, true);
        for (unsigned s = 0; s < LIFE_STATE_COUNT_; s++)
            assert_int_equal(ask(&w, (enum life_state)s), expect(c, s));
    }
}

static void what_is_not_required_is_not_missed(void **state)
{
    (void)state;
    struct world w;
    for (unsigned c = 0; c < 3; c++) {
        build(&w, (enum stack_condition)c, false);
        for (unsigned s = 0; s < LIFE_STATE_COUNT_; s++) {
            bool waits = expect(c, s) == ORDER_WAIT;
            assert_int_equal(ask(&w, (enum life_state)s), waits ? ORDER_WAIT : ORDER_GO);
        }
    }
}

static void a_failed_job_is_not_completed(void **state)
{
    (void)state;
    struct world w;
    build(&w, STACK_DEP_COMPLETED, true);
    w.db.exit_status = 1 << 8;
    assert_int_equal(ask(&w, LIFE_EXITED), ORDER_NEVER);
}

static void what_never_gets_healthy_is_given_up(void **state)
{
    (void)state;
    struct world w;
    build(&w, STACK_DEP_HEALTHY, true);
    w.db.unhealthy_streak = ORDER_UNHEALTHY_MAX;
    assert_int_equal(ask(&w, LIFE_BACKOFF), ORDER_NEVER);
}

static void dependants_stop_first(void **state)
{
    (void)state;
    struct world w;
    build(&w, STACK_DEP_STARTED, true);
    w.db.goal = w.web.goal = GOAL_STOP;
    w.db.state = w.web.state = LIFE_RUNNING;
    assert_true(order_may_stop(&w.project, &w.web));
    assert_false(order_may_stop(&w.project, &w.db));
    w.web.state = LIFE_STOPPED;
    assert_true(order_may_stop(&w.project, &w.db));
    w.web.state = LIFE_RUNNING;
    w.web.goal = GOAL_RUN; /* only db was told to stop */
    assert_true(order_may_stop(&w.project, &w.db));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_condition_in_every_state),
        cmocka_unit_test(what_is_not_required_is_not_missed),
        cmocka_unit_test(a_failed_job_is_not_completed),
        cmocka_unit_test(what_never_gets_healthy_is_given_up),
        cmocka_unit_test(dependants_stop_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
