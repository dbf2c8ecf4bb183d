/* The matrix, walked whole: legal cells stay in range, names exist, stories end where they should.
 */
#include "supervisor/stack/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void every_cell_is_in_range(void **state)
{
    (void)state;
    for (unsigned s = 0; s < LIFE_STATE_COUNT_; s++) {
        for (unsigned ev = 0; ev < LIFE_EVENT_COUNT_; ev++) {
            struct life_step step = life_step((enum life_state)s, (enum life_event)ev);
            assert_true(step.next < LIFE_STATE_COUNT_);
            assert_true(step.act < LIFE_ACT_COUNT_);
            if (!step.is_legal)
                assert_int_equal(step.next, s);
        }
    }
}

static void names_are_complete_and_distinct(void **state)
{
    (void)state;
    for (unsigned s = 0; s < LIFE_STATE_COUNT_; s++) {
        assert_non_null(life_state_name((enum life_state)s));
        for (unsigned t = 0; t < s; t++)
            assert_string_not_equal(life_state_name((enum life_state)s),
                                    life_state_name((enum life_state)t));
    }
    for (unsigned ev = 0; ev < LIFE_EVENT_COUNT_; ev++)
        assert_non_null(life_event_name((enum life_event)ev));
}

/* The user may say stop or force at any moment, and it always leads to a rest. */
static void stop_is_legal_everywhere(void **state)
{
    (void)state;
    for (unsigned s = 0; s < LIFE_STATE_COUNT_; s++) {
        assert_true(life_step((enum life_state)s, EVENT_STOP).is_legal);
        assert_true(life_step((enum life_state)s, EVENT_FORCE).is_legal);
        assert_true(life_step((enum life_state)s, EVENT_START).is_legal);
    }
}

/* A container whose first process ends is deleted, wherever its life was. */
static void exit_of_a_living_container_deletes(void **state)
{
    (void)state;
    for (unsigned s = 0; s < LIFE_STATE_COUNT_; s++) {
        if (!life_is_alive((enum life_state)s))
            continue;
        struct life_step step = life_step((enum life_state)s, EVENT_EXITED);
        assert_true(step.is_legal);
        assert_int_equal(step.next, LIFE_DELETING);
        assert_int_equal(step.act, ACT_DELETE);
    }
}

struct leg {
    enum life_event event;
    enum life_state next;
    enum life_act act;
};

static void walk(const struct leg *legs, size_t count)
{
    enum life_state s = LIFE_WAITING;
    for (size_t i = 0; i < count; i++) {
        struct life_step step = life_step(s, legs[i].event);
        assert_true(step.is_legal);
        assert_int_equal(step.next, legs[i].next);
        assert_int_equal(step.act, legs[i].act);
        s = step.next;
    }
}

static void crash_and_come_back(void **state)
{
    (void)state;
    static const struct leg legs[] = {
        { EVENT_DEPS_MET, LIFE_CREATING, ACT_CREATE },
        { EVENT_CREATED, LIFE_STARTING, ACT_ATTACH_AND_START },
        { EVENT_STARTED, LIFE_RUNNING, ACT_BEGIN_HEALTH },
        { EVENT_HEALTHY, LIFE_HEALTHY, ACT_ADMIT },
        { EVENT_EXITED, LIFE_DELETING, ACT_DELETE },
        { EVENT_THEN_BACKOFF, LIFE_BACKOFF, ACT_ARM_BACKOFF },
        { EVENT_BACKOFF_OVER, LIFE_CREATING, ACT_CREATE },
    };
    walk(legs, ARRAY_LEN(legs));
}

static void stop_that_needs_force(void **state)
{
    (void)state;
    static const struct leg legs[] = {
        { EVENT_DEPS_MET, LIFE_CREATING, ACT_CREATE },
        { EVENT_CREATED, LIFE_STARTING, ACT_ATTACH_AND_START },
        { EVENT_STARTED, LIFE_RUNNING, ACT_BEGIN_HEALTH },
        { EVENT_STOP, LIFE_STOPPING, ACT_SIGNAL },
        { EVENT_GRACE_OVER, LIFE_KILLING, ACT_KILL },
        { EVENT_EXITED, LIFE_DELETING, ACT_DELETE },
        { EVENT_THEN_STOPPED, LIFE_STOPPED, ACT_SETTLE },
        { EVENT_START, LIFE_WAITING, ACT_WAIT },
    };
    walk(legs, ARRAY_LEN(legs));
}

static void stop_while_creating(void **state)
{
    (void)state;
    static const struct leg legs[] = {
        { EVENT_DEPS_MET, LIFE_CREATING, ACT_CREATE },
        { EVENT_STOP, LIFE_ABORTING, ACT_NONE },
        { EVENT_CREATED, LIFE_DELETING, ACT_DELETE },
        { EVENT_THEN_STOPPED, LIFE_STOPPED, ACT_SETTLE },
    };
    walk(legs, ARRAY_LEN(legs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_is_in_range),
        cmocka_unit_test(names_are_complete_and_distinct),
        cmocka_unit_test(stop_is_legal_everywhere),
        cmocka_unit_test(exit_of_a_living_container_deletes),
        cmocka_unit_test(crash_and_come_back),
        cmocka_unit_test(stop_that_needs_force),
        cmocka_unit_test(stop_while_creating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
