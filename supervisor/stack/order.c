#include "supervisor/stack/order.h"

#include <stdio.h>

static bool is_running(enum life_state s)
{
    return s == LIFE_RUNNING || s == LIFE_HEALTHY || s == LIFE_UNHEALTHY;
}

static bool succeeded(const struct replica *r)
{
    return r->state == LIFE_EXITED && r->exit_status == 0;
}

static enum order_verdict started(const struct replica *dep, char *why)
{
    if (is_running(dep->state) || succeeded(dep))
        return ORDER_GO;
    bool is_lost = life_is_settled(dep->state);
    (void)snprintf(why, WHY_MAX, "%s is %s", dep->service->name, life_state_name(dep->state));
    return is_lost ? ORDER_NEVER : ORDER_WAIT;
}

static enum order_verdict healthy(const struct replica *dep, char *why)
{
    if (dep->state == LIFE_HEALTHY)
        return ORDER_GO;
    bool is_lost = life_is_settled(dep->state) || dep->unhealthy_streak >= ORDER_UNHEALTHY_MAX;
    const struct health_result *last = health_find_result(&dep->health, 0);
    (void)snprintf(why, WHY_MAX, "%s is %s, not healthy%s%.120s", dep->service->name,
                   life_state_name(dep->state), last ? ": " : "", last ? last->text : "");
    return is_lost ? ORDER_NEVER : ORDER_WAIT;
}

static enum order_verdict completed(const struct replica *dep, char *why)
{
    if (succeeded(dep))
        return ORDER_GO;
    (void)snprintf(why, WHY_MAX, "%s is %s, has not completed successfully", dep->service->name,
                   life_state_name(dep->state));
    return life_is_settled(dep->state) ? ORDER_NEVER : ORDER_WAIT;
}

static enum order_verdict (*const conditions[])(const struct replica *, char *) = {
    [STACK_DEP_STARTED] = started,
    [STACK_DEP_HEALTHY] = healthy,
    [STACK_DEP_COMPLETED] = completed,
};

enum order_verdict order_may_start(const struct project *p, const struct replica *r, char *why)
{
    enum order_verdict worst = ORDER_GO;
    for (size_t d = 0; d < r->service->depends_count; d++) {
        const struct stack_dependency *dep = &r->service->depends_on[d];
        const struct service_state *s = &p->services[dep->service];
        for (size_t i = 0; i < s->count; i++) {
            char text[WHY_MAX] = "";
            enum order_verdict v = conditions[dep->condition](&s->replicas[i], text);
            if (v == ORDER_GO || (v == ORDER_NEVER && !dep->required))
                continue;
            if (worst == ORDER_GO || v == ORDER_NEVER)
                (void)snprintf(why, WHY_MAX, "%s", text);
            if (v == ORDER_NEVER)
                return ORDER_NEVER;
            worst = v;
        }
    }
    return worst;
}

static bool depends_on(const struct stack_service *s, size_t index)
{
    for (size_t d = 0; d < s->depends_count; d++)
        if (s->depends_on[d].service == index)
            return true;
    return false;
}

bool order_may_stop(const struct project *p, const struct replica *r)
{
    for (size_t s = 0; s < p->stack->service_count; s++) {
        if (!depends_on(&p->stack->services[s], r->service_index))
            continue;
        for (size_t i = 0; i < p->services[s].count; i++) {
            const struct replica *dependant = &p->services[s].replicas[i];
            if (dependant->goal == GOAL_STOP && !life_is_settled(dependant->state))
                return false;
        }
    }
    return true;
}
